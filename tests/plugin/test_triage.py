"""Triage from end to end: `pytest --triage`, and `lrmtest triage` with `--rerun`."""

from __future__ import annotations

import json

import pytest
from fault_server import FaultServer
from sums import add, right, suite

from lrmtest.cli import main
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.store import Store


def ask(pytester, url, *args, name="m"):
    return pytester.runpytest_inprocess("--model", f"{name}={url}", *args)


@pytest.fixture
def broken(pytester, monkeypatch):
    """Two runs of model m: all is right in the first, odd sums are wrong in the second."""
    pytester.makepyfile(test_sums=suite())
    monkeypatch.chdir(pytester.path)
    with FaultServer(answer=right) as good:
        ask(pytester, good.url).assert_outcomes(passed=12)
    with FaultServer(answer=add) as bad:
        ask(pytester, bad.url).assert_outcomes(passed=6, failed=6)
        yield bad


def runs(pytester):
    with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
        return store.runs()


def test_the_broken_ones_are_selected_and_nothing_is_generated(pytester, broken):
    asked = broken.chats
    result = ask(pytester, broken.url, "--triage", "broken")
    result.assert_outcomes(failed=6, deselected=6)
    result.stdout.fnmatch_lines(["triage: 6 broken in m-* against m-*"])
    assert broken.chats == asked
    ask(pytester, broken.url, "--triage", "both-pass").assert_outcomes(passed=6, deselected=6)
    ask(pytester, broken.url, "--triage", "failed", "--limit", "2").assert_outcomes(
        failed=2, deselected=10
    )
    either = ask(pytester, broken.url, "--triage", "fixed", "--triage", "wrong")
    either.assert_outcomes(failed=6, deselected=6)


def test_nothing_of_a_kind_is_no_test(pytester, broken):
    result = ask(pytester, broken.url, "--triage", "looped")
    result.assert_outcomes(deselected=12)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_baselines_file_serves_too(pytester, broken):
    first = runs(pytester)[-1].run_id
    assert main(["baseline", first, "-o", "good.json"]) == 0
    result = ask(pytester, broken.url, "--triage", "broken", "--baseline", "good.json")
    result.assert_outcomes(failed=6, deselected=6)


def test_workers_select_the_same(pytester, broken):
    result = pytester.runpytest_subprocess(
        "--model", f"m={broken.url}", "-n", "2", "--triage", "broken"
    )
    result.assert_outcomes(failed=6)


def test_each_model_by_its_own_run(pytester):
    pytester.makepyfile(test_sums=suite())
    with FaultServer(answer=right) as good, FaultServer(answer=add) as bad:
        models = ("--model", f"good={good.url}", "--model", f"bad={bad.url}")
        pytester.runpytest_inprocess(*models)
        result = pytester.runpytest_inprocess(*models, "--triage", "failed")
    result.assert_outcomes(failed=6, deselected=18)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--triage", "failed"], "*--triage needs --model*"),
        (["--model", "new=http://127.0.0.1:9", "--triage", "failed"], "*no run is called*new*"),
        (["--model", "m=http://127.0.0.1:9", "--triage", "brokn"], "*invalid choice*"),
    ],
)
def test_mistakes(pytester, broken, args, message):
    result = pytester.runpytest_inprocess(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_one_run_alone_has_nothing_broken(pytester, server):
    pytester.makepyfile(test_sums=suite())
    ask(pytester, server.url)
    result = ask(pytester, server.url, "--triage", "broken")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no other run*"])


def test_the_overview_and_its_ids(pytester, broken, capsys):
    first = runs(pytester)[-1].run_id
    assert main(["triage", "last", "--baseline", first]) == 0
    shown = capsys.readouterr().out
    assert "12 questions, 6 failed: 6 wrong" in shown
    assert "since the baseline: 6 broken, 0 worse, 0 unstable, 6 unchanged, 0 better, 0 fixed" in (
        " ".join(shown.split())
    )
    assert "6 fell, at least 1 of them really worse with 95 % confidence; 0 rose" in shown
    assert "1/1 → 0/1" in shown
    assert f"lrmtest triage last q1 --baseline {first}" in shown

    assert main(["triage", "last", "--baseline", first, "--kind", "broken", "--ids"]) == 0
    ids = capsys.readouterr().out.split()
    assert ids == [f"test_sums.py::test_sums[q{n}]" for n in (1, 3, 5, 7, 9, 11)]
    ask(pytester, broken.url, *ids).assert_outcomes(failed=6)

    # The last session has asked six of them; the run has all twelve.
    assert main(["triage", "last", "--kind", "looped"]) == 0
    told = capsys.readouterr()
    assert "6 questions, 6 failed" in told.out
    assert "left out here: 6 other questions of sums (--whole-run: all of it)" in told.err
    assert main(["triage", "last", "--kind", "looped", "--whole-run"]) == 0
    told = capsys.readouterr()
    assert "12 questions, 6 failed" in told.out
    assert "left out" not in told.err
    assert main(["triage", "last", "--kind", "broken"]) == 2
    assert "--kind broken needs --baseline" in capsys.readouterr().err
    assert main(["triage", "last", "--suite", "aime"]) == 2
    assert "did not ask suite 'aime'" in capsys.readouterr().err
    assert main(["triage", "last", "--baseline", "last"]) == 2
    assert "are the same run" in capsys.readouterr().err


def test_by_change_and_by_size(pytester, capsys):
    """Sums fall by 25, 50 and 75 points in turn; the last three rise."""
    pytester.makepyfile(test_sums=suite())
    before = [4] * 9 + [0] * 3
    after = [(3, 2, 1)[number % 3] for number in range(9)] + [4] * 3
    for name, passes in (("before", before), ("after", after)):
        lines = [
            {
                "question": f"q{number}",
                "sample": sample,
                "output": f"\\boxed{{{2 * number if sample < passes[number] else 999}}}",
                "finish_reason": "stop",
            }
            for number in range(12)
            for sample in range(4)
        ]
        path = pytester.path / f"{name}.sums.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        pytester.runpytest_inprocess("--model", f"m=recorded:{path}", "--samples", "4")
    first = runs(pytester)[-1].run_id
    compared = ["triage", "last", "--baseline", first]
    capsys.readouterr()  # the sessions'
    assert main(compared) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "3 broken, 0 worse, 6 unstable, 0 unchanged, 0 better, 3 fixed" in shown
    assert "9 fell, at least 1 of them really worse with 95 % confidence" in shown

    assert main([*compared, "--change", "fell", "--sort", "size", "--ids"]) == 0
    ids = [each.partition("[")[2][:-1] for each in capsys.readouterr().out.split()]
    assert sorted(ids[:3]) == ["q2", "q5", "q8"]
    assert sorted(ids[3:6]) == ["q1", "q4", "q7"]
    assert sorted(ids[6:]) == ["q0", "q3", "q6"]

    assert main([*compared, "--change", "broken", "--kind", "wrong", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "lrmtest-triage/1"
    assert document["changed"]["fell"] == 9
    assert [one["question"] for one in document["questions"]] == ["q2", "q5", "q8"]
    change = document["questions"][0]["change"]
    assert change["baseline"] == {"passes": 4, "samples": 4}
    assert (change["candidate"]["passes"], change["difference"]) == (1, -0.75)
    assert change["p"] == pytest.approx(0.035, abs=0.001)

    assert main([*compared, "--change", "worse"]) == 0
    assert "worse (" not in capsys.readouterr().out
    assert main([*compared, "--change", "unstable", "--sort", "size"]) == 0
    shown = capsys.readouterr().out
    assert "unstable (6 questions): up or down, no more than by chance" in shown
    assert shown.index("4/4 → 2/4") < shown.index("4/4 → 3/4")
    for lonely in (["--change", "worse"], ["--sort", "size"]):
        assert main(["triage", "last", *lonely]) == 2
        assert f"{' '.join(lonely)} needs --baseline" in capsys.readouterr().err
    selected = pytester.runpytest_inprocess(
        "--model", f"m=recorded:{path}", "--samples", "4", "--triage", "unstable"
    )
    selected.stdout.fnmatch_lines(["triage: 6 unstable in m-* against m-*"])


def test_one_question_in_both_runs(pytester, broken, capsys):
    first = runs(pytester)[-1].run_id
    assert main(["triage", "last", "q3", "--baseline", first]) == 0
    shown = capsys.readouterr().out
    for part in ("What is 3 + 3?", "correct: 6", "wrong: 7", "after 0 words", "Let me add.",
                 "baseline, sample 0: correct", "candidate, sample 0: wrong"):  # fmt: skip
        assert part in shown, part
    assert main(["baseline", first, "-o", "good.json"]) == 0
    assert main(["triage", "last", "q3", "--baseline", "good.json"]) == 0
    shown = capsys.readouterr().out
    assert "the baseline is a file and holds no texts" in shown
    assert "1 of 1 samples passed" in shown
    assert main(["triage", "last", "nothing"]) == 2
    assert "has no question 'nothing'" in capsys.readouterr().err


def test_rerun_asks_just_these_anew_at_the_runs_settings(pytester, broken, capfd):
    ask(pytester, broken.url, "--samples", "2", "--seed", "7", "--max-tokens", "50", "--limit", "9")
    before, asked = len(runs(pytester)), broken.chats
    code = main(["triage", "last", "--kind", "failed", "--rerun", "--pytest-arg=-q"])
    shown = capfd.readouterr().out
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "$ pytest 'test_sums.py::test_sums[q1]'" in shown
    assert "--seed=7 --max-tokens=50 --samples 2 --regenerate -q" in shown
    assert "4 failed" in shown
    assert broken.chats - asked == 8
    assert {body["max_tokens"] for body in broken.bodies[-8:]} == {50}
    newest, *_ = runs(pytester)
    assert len(runs(pytester)) == before + 1
    assert newest.manifest.seed == 7

    assert main(["triage", "last", "q3", "--rerun", "--pytest-arg=--seed=8"]) == 1
    assert broken.chats - asked == 10
    assert main(["triage", "last", "--kind", "looped", "--rerun"]) == 2
    assert "nothing to ask again" in capfd.readouterr().err


def test_what_cannot_be_asked_again(pytester, broken, capsys, monkeypatch, tmp_path):
    (pytester.path / "m.sums.jsonl").write_text('{"question": "q1", "output": "9"}\n')
    pytester.runpytest_inprocess("--model", "old=recorded:m.sums.jsonl")
    assert main(["triage", "last:old", "--rerun"]) == 2
    error = capsys.readouterr().err
    assert "recorded outputs: there is no model to ask again" in error

    with Store(pytester.path / "reports" / "lrmtest.sqlite") as store:
        run = store.run("last:m")
        older = run.manifest.to_json()
        del older["suites"]["sums"]["tests"], older["suites"]["sums"]["options"]
        store.update_manifest(run.run_id, Manifest.from_json(older))
    assert main(["triage", "last:m", "--rerun"]) == 2
    assert "does not say how suite 'sums' was asked" in capsys.readouterr().err
    assert main(["triage", "last:m", "--ids"]) == 2
    assert "-k '[q" in capsys.readouterr().err

    other = runs(pytester)[-1].run_id
    reports = str(pytester.path / "reports")
    monkeypatch.chdir(tmp_path)
    assert main(["triage", other, "q1", "--rerun", "--reports-dir", reports]) == 2
    assert "there is no test file test_sums.py here" in capsys.readouterr().err
