"""A key goes only to the host that it was given for."""

from __future__ import annotations

import pytest

from lrmtest.errors import UsageError
from lrmtest.models.engines.http.keys import find_key, key_variable

A, B = ("a", "https://a.example/v1"), ("b", "https://b.example/v1")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("LRMTEST_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_the_only_host_gets_the_key(monkeypatch):
    monkeypatch.setenv("LRMTEST_API_KEY", " lrm-1\n")
    assert find_key(*A, [A]).value == find_key(*A).value == "lrm-1"
    same_host = ("c", "https://a.example:443/other/v1")
    assert find_key(*A, [A, same_host]).value == "lrm-1"
    assert find_key(*A, [A]).notices == ()


def test_several_hosts_get_each_its_own_or_none(monkeypatch):
    monkeypatch.setenv("LRMTEST_API_KEY", "lrm-1")
    for one, other in ((A, B), (B, A)):
        found = find_key(*one, [A, B])
        assert found.value is None
        (notice,) = found.notices
        assert key_variable(one[0]) in notice
        assert key_variable(other[0]) in notice
        assert "lrm-1" not in notice
    monkeypatch.setenv("LRMTEST_API_KEY_B", "own-2")
    assert find_key(*A, [A, B]).value == "lrm-1"  # the only one left
    assert find_key(*B, [A, B]).value == "own-2"
    monkeypatch.setenv("LRMTEST_API_KEY_A", "own-1")
    assert find_key(*A, [A, B]).value == "own-1"


@pytest.mark.parametrize("other", ["http://a.example/v1", "https://a.example:8443/v1"])
def test_a_host_is_scheme_name_and_port(monkeypatch, other):
    monkeypatch.setenv("LRMTEST_API_KEY", "lrm-1")
    assert find_key(*A, [A, ("c", other)]).value is None


def test_names_that_share_a_variable(monkeypatch):
    monkeypatch.setenv("LRMTEST_API_KEY_R1_8B", "own")
    one, other = ("r1-8b", A[1]), ("r1.8b", B[1])
    assert find_key(*one, [one]).value == "own"
    with pytest.raises(UsageError, match="LRMTEST_API_KEY_R1_8B"):
        find_key(*one, [one, other])


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "https://eu.api.openai.com/v1"])
def test_openais_key_goes_to_openai(monkeypatch, url):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert find_key("a", url).value == "sk-1"


@pytest.mark.parametrize(
    "url",
    [
        "http://api.openai.com/v1",
        "https://api.openai.com:8443/v1",
        "https://api.openai.com.evil.example/v1",
        "https://evil-api.openai.com.example/v1",
        "https://evilapi.openai.com/v1",
        "https://evil.example/api.openai.com/v1",
        "http://127.0.0.1:8000/v1",
    ],
)
def test_and_to_nobody_else(monkeypatch, url):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    found = find_key("a", url)
    assert found.value is None
    assert "OPENAI_API_KEY is not sent" in found.notices[0]
    assert "LRMTEST_API_KEY" in found.notices[0]


def test_the_host_that_openais_variable_names(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert find_key("a", "http://127.0.0.1:8000/v1").value == "sk-1"
    assert find_key("a", "http://127.0.0.1:8001/v1").value is None
    assert find_key("a", "https://api.openai.com/v1").value is None


def test_a_key_that_travels_unencrypted_is_told(monkeypatch):
    monkeypatch.setenv("LRMTEST_API_KEY", "lrm-1")
    assert find_key("a", "http://127.0.0.1:8000/v1").notices == ()
    found = find_key("a", "http://gpu:8000/v1")
    assert found.value == "lrm-1"
    assert "unencrypted" in found.notices[0]
    assert "lrm-1" not in repr(found)


@pytest.mark.parametrize("key", ["a\nb", "schlüssel", "a\x1bb"])
def test_keys_that_no_header_can_carry(monkeypatch, key):
    monkeypatch.setenv("LRMTEST_API_KEY_A", key)
    with pytest.raises(UsageError, match="LRMTEST_API_KEY_A") as caught:
        find_key(*A)
    assert key not in str(caught.value)
