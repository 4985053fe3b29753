"""Servers that are kept up: found only by whom they belong to, used only where they fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace

import prepared
import psutil
import pytest
import stand_in_server
from asking import Session, ask
from hypothesis import given
from hypothesis import strategies as st
from model_bytes import gguf_bytes
from processes import alive, gone, wait_for

from lrmtest.errors import ModelError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.llamacpp_engine import LlamaCppEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.server import warm_records as records
from lrmtest.models.engines.server.launch import Address
from lrmtest.models.engines.server.warm import card_as_json, difference
from lrmtest.models.engines.server.warm_records import (
    WarmRecord,
    process_mark,
    warm_folder,
    warm_record,
    warm_records,
    write_record,
)
from lrmtest.models.hashes import file_hashes
from lrmtest.models.spec import ModelSpec


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    prepared.forks(monkeypatch)
    monkeypatch.setenv("LRMTEST_CACHE", str(tmp_path / "cache"))


def watchdogs():
    """The servers of this process's own, each under its watchdog."""
    children = psutil.Process().children()
    return [child for child in children if "watchdog.py" in " ".join(child.cmdline())]


def record(model="m", **changed):
    made = WarmRecord(
        model=model,
        engine="llamacpp",
        pid=os.getpid(),
        mark=process_mark(os.getpid()),
        address=Address(4321, "served", "the-secret-key"),
        version="1",
        card=card_as_json(ModelCard(model)),
        files={"m.gguf": "00"},
        settings={"arguments": ["--jinja"]},
        details={},
        concurrency=4,
        context=1024,
        load_seconds=1.5,
        since=0.0,
        log="/tmp/m.log",
    )
    return replace(made, **changed)


# The records


def test_what_is_written_is_read_again_and_closed_to_others():
    write_record(record())
    write_record(record("other"))
    assert warm_record("m") == record()
    assert [each.model for each in warm_records()] == ["m", "other"]
    assert warm_record("none") is None
    (path, _) = sorted(warm_folder().glob("*"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert warm_folder().stat().st_mode & 0o777 == 0o700
    assert "the-secret-key" not in repr(record())


def test_there_is_one_server_for_a_model():
    write_record(record())
    with pytest.raises(UsageError, match="kept up already"):
        write_record(record(version="2"))
    assert warm_record("m").version == "1"


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


def test_a_record_of_a_process_that_is_gone_is_deleted():
    write_record(record(pid=ended_process()))
    assert list(warm_folder().glob("*.json"))
    assert warm_record("m") is None
    assert not list(warm_folder().glob("*"))
    write_record(record(pid=ended_process()))
    write_record(record())  # a stale record is in nobody's way
    assert warm_record("m") == record()


def test_a_process_id_that_was_given_out_again_is_another_process():
    write_record(record(mark="1"))
    assert warm_record("m") is None


def test_only_the_server_s_own_record_is_removed():
    write_record(record())
    records.remove_record(record(mark="1"))
    assert warm_record("m") == record()
    records.remove_record(record())
    assert warm_record("m") is None


@pytest.mark.parametrize("which", ["file", "folder"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_record_that_others_may_read_or_write_is_not_believed(which, mode):
    write_record(record())
    path = warm_folder() / "m.json" if which == "file" else warm_folder()
    path.chmod(mode | 0o100)
    assert warm_record("m") is None
    if which == "folder":
        with pytest.raises(ModelError, match="must belong to you"):
            write_record(record("other"))


def test_a_record_of_another_user_is_not_believed(monkeypatch):
    write_record(record())
    folder = warm_folder()
    monkeypatch.setattr(records.os, "geteuid", lambda: os.getuid() + 1)
    monkeypatch.setattr(records, "warm_folder", lambda: folder)
    assert warm_record("m") is None
    assert process_mark(os.getpid()) is None


def test_a_link_to_a_record_is_not_followed(tmp_path):
    write_record(record())
    (warm_folder() / "m.json").replace(tmp_path / "elsewhere.json")
    (warm_folder() / "m.json").symlink_to(tmp_path / "elsewhere.json")
    assert warm_record("m") is None


def test_a_record_of_another_machine_is_left_alone(monkeypatch):
    write_record(record(pid=ended_process()))
    monkeypatch.setattr(records, "_machine", lambda: "elsewhere")
    assert warm_record("m") is None
    assert list(warm_folder().glob("*.json"))


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["format", "machine", "pid", "address", "x"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_is_in_a_record_s_file_breaks_nothing(content):
    path = records.make_warm_folder() / "m.json"
    path.write_bytes(content)
    path.chmod(0o600)
    assert warm_record("m") is None


# Does it fit?


@pytest.fixture
def model_file(tmp_path):
    """A model's file, and a stand-in for the program that serves it."""
    file = tmp_path / "m.gguf"
    context = {"general.architecture": "llama", "llama.context_length": 65536}
    file.write_bytes(gguf_bytes(context, [("blk.0.weight", (32, 2), 3, 40)]))
    return file


@pytest.fixture
def program(tmp_path, monkeypatch):
    path = stand_in_server.install(tmp_path)
    monkeypatch.setenv("LRMTEST_LLAMA_SERVER", str(path))
    return path


CARD = ModelCard("m", engine="llamacpp")


def make(model, card=CARD, **options):
    return LlamaCppEngine(ModelSpec("m", card, "llamacpp", str(model)), EngineOptions(**options))


def test_the_same_server_has_no_difference_and_any_other_has(model_file, program, monkeypatch):
    launch = make(model_file).plan([ask("Hi")])
    warm = record(
        version=launch.version,
        card=card_as_json(CARD),
        files=file_hashes(model_file),
        settings=json.loads(json.dumps(launch.settings)),
        concurrency=launch.concurrency,
    )

    def why(**changed):
        asked = {
            "engine": "llamacpp",
            "card": CARD,
            "files": file_hashes(model_file),
            "launch": launch,
            "concurrency": None,
        }
        return difference(warm, **{**asked, **changed})

    assert why() is None
    assert why(concurrency=1) is None
    assert "runs on llamacpp, not on vllm" in why(engine="vllm")
    assert "files have changed since: m.gguf" in why(files={"m.gguf": "11"})
    assert "and 1 more" in why(files={"a": "1"})
    assert "1.2.3 (stand-in), and 2 is installed now" in why(launch=replace(launch, version="2"))
    assert "card has changed" in why(card=replace(CARD, dtype="float16"))
    assert "takes 1 requests at once, and 9" in why(concurrency=9)
    other = make(model_file, engine_args=("--flash-attn", "on")).plan([ask("Hi")])
    assert "--flash-attn on are asked for" in why(launch=other)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert "devices are none, and 3" in why(launch=make(model_file).plan([ask("Hi")]))


# Kept up, used, stopped: with a stand-in, and with the real program


@pytest.fixture(
    params=["stand-in", pytest.param("real", marks=[pytest.mark.engine, pytest.mark.timeout(1800)])]
)
def served(request, tmp_path, monkeypatch):
    """A model file and the name to give to commands; all servers are stopped in the end."""
    if request.param == "real":
        request.getfixturevalue("llama_server")
        file = tmp_path / "m.gguf"
        file.write_bytes(request.getfixturevalue("tiny_lrm_gguf").read_bytes())
    else:
        request.getfixturevalue("program")
        file = request.getfixturevalue("model_file")
    yield file
    lrmtest("serve", "--stop")


def lrmtest(*arguments, **more):
    """Run a command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "lrmtest", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        **more,
    )


def serve(file, *arguments):
    done = lrmtest("serve", f"m={file}", "--engine", "llamacpp", "--max-tokens", "64", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return warm_record("m"), done.stdout


def test_a_server_outlives_the_command_and_is_listed_and_stopped(served):
    warm, said = serve(served)
    assert warm.address.url in said
    assert "lrmtest serve --stop m" in said
    assert warm.address.key not in said
    keeper = psutil.Process(warm.pid)
    family = [keeper, *keeper.children(recursive=True)]
    assert len(family) >= 3  # it, the watchdog and the server
    assert not any(warm.address.key in " ".join(process.cmdline()) for process in family)
    assert "m: http://127.0.0.1:" in lrmtest("serve", "--list").stdout
    assert warm.address.key not in lrmtest("serve", "--list").stdout
    log = warm_folder() / "m.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.read_text()

    again = lrmtest("serve", f"m={served}", "--engine", "llamacpp")
    assert again.returncode == 2
    assert "kept up already" in again.stderr

    assert lrmtest("serve", "--stop", "m").stdout == "m: stopped\n"
    assert gone(family)
    assert lrmtest("serve", "--list").stdout == "no server is kept up\n"
    assert lrmtest("serve", "--stop", "m").returncode == 2


def test_an_engine_uses_it_and_leaves_it_running(served):
    warm, _ = serve(served)
    told = []
    question = ask("Hi there", budget=8)
    with Session(make(served, tell=told.append, card=card_of(served)), [question]) as session:
        assert session.run(question)[0].text
        assert session.info.details["warm"]
        assert session.info.engine == "llamacpp"
        assert session.info.version == warm.version
        assert warm.address.key not in repr(session.info)
        assert not {"url", "served_model"} & set(session.info.details)
        assert not watchdogs()
    (line,) = told
    assert "using the warm server at" in line
    assert f"{warm.load_seconds:.1f} s" in line
    assert alive(psutil.Process(warm.pid))
    with Session(make(served, card=card_of(served)), [question]) as session:
        assert session.info.details["warm"]


def card_of(file):
    """The card that commands make of the file."""
    from lrmtest.models.resolve import resolve

    return resolve(f"m={file}", {}, engine="llamacpp").card


@pytest.mark.parametrize(
    ("budget", "options", "why"),
    [
        (20_000, {}, "budget of 20000 tokens"),
        (8, {"concurrency": 65}, "at once"),
        (8, {"engine_args": ("--log-verbosity", "1")}, "--log-verbosity 1"),
    ],
)
def test_a_server_that_does_not_fit_is_left_alone(served, budget, options, why):
    warm, _ = serve(served, "--concurrency", "2")
    told = []
    question = ask("Hi there", budget=budget)
    engine = make(served, tell=told.append, card=card_of(served), **options)
    if budget > card_of(served).context_length:
        pytest.skip("this model has no context beyond the server's")
    with Session(engine, [question]) as session:
        assert "warm" not in session.info.details
        assert len(watchdogs()) == 1
    (line,) = told
    assert line.startswith("m: its warm server is not used: ")
    assert why in line
    assert "\n" not in line
    assert alive(psutil.Process(warm.pid))


def test_a_changed_file_is_another_model(served):
    serve(served)
    content = served.read_bytes()
    served.unlink()
    served.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    told = []
    question = ask("Hi there", budget=8)
    with Session(make(served, tell=told.append, card=card_of(served)), [question]) as session:
        assert "warm" not in session.info.details
    assert told == ["m: its warm server is not used: the model's files have changed since: m.gguf"]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_ends_in_the_middle_is_replaced(served, how, monkeypatch):
    monkeypatch.setenv("LRMTEST_STAND_IN_DELAY", "0.05")
    warm, _ = serve(served, "--concurrency", "1")
    keeper = psutil.Process(warm.pid)
    family = [keeper, *keeper.children(recursive=True)]
    requests = [ask(f"Count from {n} to a hundred", budget=64) for n in range(6)]
    with Session(
        make(served, card=card_of(served), max_restarts=0, concurrency=1), requests
    ) as session:
        session.engine.submit(requests)
        wait_for(lambda: session.delivered)
        if how == "stop":
            lrmtest("serve", "--stop", "m")
        else:
            keeper.kill()
        assert gone(family)
        # However fast it was before it ended: these it cannot have answered.
        late = [ask(f"Count from {n} to a thousand", budget=8) for n in range(2)]
        session.engine.submit(late)
        requests += late
        outcomes = session.collect(requests)
        assert all(outcome.error is None for outcome in outcomes), outcomes
        assert sorted(session.delivered) == sorted(request.key for request in requests)
        assert len(watchdogs()) == 1
    assert warm_record("m") is None


def test_killing_the_keeper_ends_the_server(served):
    warm, _ = serve(served)
    keeper = psutil.Process(warm.pid)
    family = keeper.children(recursive=True)
    keeper.kill()
    assert gone(family)
    assert lrmtest("serve", "--list").stdout == "no server is kept up\n"
    assert not list(warm_folder().glob("*.json"))


def test_the_death_of_the_server_ends_the_keeper(served):
    warm, _ = serve(served)
    keeper = psutil.Process(warm.pid)
    (watchdog,) = keeper.children()
    (server,) = watchdog.children()
    server.kill()
    assert gone([keeper])
    assert warm_record("m") is None


def test_a_server_in_the_foreground_ends_with_ctrl_c(served):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "lrmtest",
            "serve",
            f"m={served}",
            "--engine=llamacpp",
            "--foreground",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: warm_record("m"))
    assert warm_record("m").pid == process.pid
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(2)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "served at" in said
    assert gone(family)
    assert warm_record("m") is None


def words(process):
    """A process's command line; empty if it is gone or not ours to see."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_a_start_that_fails_says_why_and_leaves_nothing(served, request):
    done = lrmtest(
        "serve", f"m={served}", "--engine", "llamacpp", "--engine-arg=--port", "--engine-arg=nope"
    )
    # A mistake where the server says so, as the real one does; else nobody knows what broke.
    is_real = "real" in request.node.callspec.id
    assert done.returncode == (2 if is_real else 11)
    assert "lrmtest: llama-server" in done.stderr
    assert "Traceback" not in done.stderr
    assert warm_record("m") is None
    leftovers = [process.pid for process in psutil.process_iter() if str(served) in words(process)]
    assert not leftovers
    too_long = lrmtest("serve", f"m={served}", "--engine", "llamacpp", "--max-tokens", "70000")
    assert too_long.returncode == 2
    assert "budget of 70000 tokens" in too_long.stderr


def test_engines_without_a_server_are_refused(model_file):
    done = lrmtest("serve", f"m={model_file}", "--engine", "transformers")
    assert done.returncode == 2
    assert "no server to keep up" in done.stderr
    assert lrmtest("serve").returncode == 2


SUITE = """
import lrmtest

@lrmtest.suite("fresh-arithmetic")
def test_arithmetic(question, model):
    assert model.solve(question).completion.text
"""


def test_pytest_finds_it_and_says_so(served, pytester):
    pytester.makepyfile(SUITE)
    command = ["--model", f"m={served}", "--engine", "llamacpp", "--max-tokens", "8"]
    command += ["--fresh-count", "2"]
    warm, _ = serve(served)
    done = pytester.runpytest_subprocess(*command)
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(["*m: using the warm server at http://127.0.0.1:*not part of this*"])
    for file in pytester.path.rglob("*.sqlite*"):
        assert warm.address.key.encode() not in file.read_bytes()
    done = pytester.runpytest_subprocess(*command, "--fresh-run", "--concurrency", "70")
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(["*m: its warm server is not used: it takes * at once, and 70*"])
    lrmtest("serve", "--stop")
    done = pytester.runpytest_subprocess(*command, "--fresh-run")
    done.assert_outcomes(passed=2)
    done.stdout.no_fnmatch_line("*warm server*")


def test_two_runs_share_it(served):
    serve(served)
    question = ask("Hi there", budget=8)
    texts, errors = [], []

    def use():
        try:
            with Session(make(served, card=card_of(served)), [question]) as session:
                assert session.info.details["warm"]
                texts.append(session.run(question)[0].text)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(texts) == 3
