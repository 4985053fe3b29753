"""Words for the replicas that a model was asked of."""

from dataclasses import replace

from lrmtest.models.engines.base import ReplicaState
from lrmtest.reports.replicas import replica_words, replicas_line, replicas_said
from lrmtest.runs.manifest import Manifest

ONE = ReplicaState("http://a:8000/v1", "working", "", 12, 340, 9000, 60.0, 1203.4)
HOSTILE = "no\x1b[31m\nanswer"


def manifest(replicas):
    usual = Manifest.from_json({})
    return replace(usual, engine=replace(usual.engine, details={"replicas": replicas}))


def test_how_many_work_and_how_fast():
    lost = ReplicaState("http://b/v1", "away", "it does not answer")
    slow = replace(ONE, tokens_per_second=420.0)
    assert replicas_line([]) == ""
    assert replicas_line([ONE]) == "1 of 1 replica, 1,203 tok/s each"
    assert replicas_line([ONE, lost, slow]) == "2 of 3 replicas, 420 to 1,203 tok/s each"
    assert replicas_line([lost]) == "0 of 1 replica"
    assert replicas_line([ONE, replace(lost, phase="gone")]) == "1 of 1 replica, 1,203 tok/s each"


def test_one_in_a_line():
    assert replica_words(ONE) == "http://a:8000/v1: 12 running, 1,203 tok/s, 340 completions"
    lost = replica_words(ReplicaState("http://b/v1", "away", HOSTILE))
    assert lost.startswith("http://b/v1: away, no")
    assert not {"\x1b", "\n"} & set(lost)


def test_what_each_has_done():
    done = {"url": "http://a/v1", "completions": 340, "tokens": 9000, "seconds": 60.0}
    assert replicas_said(manifest([done])) == "1 replica: http://a/v1 340 completions at 150 tok/s"
    many = replicas_said(manifest([done] * 12))
    assert many.startswith("12 replicas: ")
    assert many.endswith("; and 4 more")


def test_a_manifest_that_anybody_wrote():
    assert replicas_said(manifest("x")) == ""
    assert replicas_said(manifest([3, "http://a/v1"])) == ""
    huge = {"url": "http://a/v1", "completions": float("inf"), "tokens": 10**400, "seconds": 1e-9}
    assert replicas_said(manifest([huge])) == "1 replica: http://a/v1 0 completions"
    odd = {"url": HOSTILE, "completions": "many", "tokens": -1, "seconds": None}
    assert "\x1b" not in replicas_said(manifest([odd]))
