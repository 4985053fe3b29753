"""What `lrmtest serve --ray` refuses before anything is started."""

import os

import pytest

from lrmtest.cli import main
from lrmtest.errors import UsageError
from lrmtest.models.engines.server.launch import Address, fresh_key
from lrmtest.models.engines.server.warm_records import (
    WarmRecord,
    ask_for_replicas,
    process_mark,
    remove_record,
    warm_record,
    write_record,
)
from lrmtest.models.fleet import cluster
from lrmtest.models.fleet.keeper import only_keeper

SERVE = ("serve", "tiny-lrm", "--engine", "llamacpp")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LRMTEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LRMTEST_API_KEY_TINY_LRM", "a-key")


def refused(capsys, *arguments):
    assert main([*SERVE, *arguments]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [("--replicas", "2"), ("--gpus", "1"), ("--ray-address", "auto")]
)
def test_what_is_of_a_fleet_is_refused_without_one(capsys, option):
    assert f"{option[0]} is of a fleet" in refused(capsys, *option)


def test_a_fleet_has_a_key(capsys, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.delenv("LRMTEST_API_KEY_TINY_LRM")
    said = refused(capsys, "--ray")
    assert "LRMTEST_API_KEY_TINY_LRM is not set" in said
    assert "export LRMTEST_API_KEY_TINY_LRM=" in said


def test_without_ray_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    said = refused(capsys, "--ray")
    assert "Ray Serve, which is not installed" in said
    assert "pip install 'lrmtest[ray]'" in said


def kept(**changed):
    values = {
        "model": "tiny-lrm",
        "engine": "llamacpp",
        "pid": os.getpid(),
        "mark": process_mark(os.getpid()),
        "address": None,
        "version": "1",
        "card": {},
        "files": {},
        "settings": {},
        "details": {},
        "concurrency": 4,
        "context": 1024,
        "load_seconds": 1.5,
        "since": 0.0,
        "log": "/tmp/tiny-lrm.log",
        "urls": "/tmp/tiny-lrm.urls",
        "replicas": 2,
    }
    return WarmRecord(**{**values, **changed})


def test_a_fleet_is_listed_and_its_size_asked_for(capsys):
    write_record(kept())
    assert warm_record("tiny-lrm") == kept()
    assert main(["serve", "--list"]) == 0
    said = capsys.readouterr().out
    assert "tiny-lrm: replicas:/tmp/tiny-lrm.urls, 2 replicas, llamacpp, 4 at once" in said
    assert main(["serve", "--scale", "5", "tiny-lrm"]) == 0
    assert warm_record("tiny-lrm") == kept(replicas=5)
    assert "kept up already, at replicas:/tmp/tiny-lrm.urls" in refused(capsys, "--ray")
    remove_record(kept())
    assert warm_record("tiny-lrm") is None
    assert main(["serve", "--scale", "5", "tiny-lrm"]) == 2


def test_one_server_has_no_size(capsys):
    write_record(kept(address=Address(1, "m", "k"), urls="", replicas=0))
    assert main(["serve", "--scale", "5", "tiny-lrm"]) == 2
    assert "has one server, which is no fleet" in capsys.readouterr().err


def test_a_size_that_was_asked_for_is_a_record_as_ever(tmp_path):
    write_record(kept())
    ask_for_replicas(kept(), 3)
    (file,) = (tmp_path / "cache").rglob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_key_that_would_be_an_option_is_refused(capsys, monkeypatch):
    pytest.importorskip("ray", reason="Ray Serve is not installed")
    monkeypatch.setenv("LRMTEST_API_KEY_TINY_LRM", "-x1y2z3")
    said = refused(capsys, "--ray")
    assert "LRMTEST_API_KEY_TINY_LRM begins with a dash" in said
    assert "x1y2z3" not in said


def test_two_do_not_start_a_fleet_of_one_model():
    with (
        only_keeper("tiny-lrm"),
        only_keeper("another"),
        pytest.raises(UsageError, match="'tiny-lrm' is being started or kept up already"),
        only_keeper("tiny-lrm"),
    ):
        pass
    with only_keeper("tiny-lrm"):
        pass


def test_no_key_is_an_option():
    """One in 64 began with a dash, of keys in base64."""
    keys = {fresh_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert all(key.isalnum() and len(key) >= 32 for key in keys)
