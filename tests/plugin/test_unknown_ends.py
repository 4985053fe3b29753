"""Recordings that do not say how their texts ended: told in the summary, refused by the gate."""

import json

import pytest
from sums import suite

from lrmtest.options.exit_codes import OK, UNDECIDED

GATE = ("--baseline", "base.json", "--gate", "--mde", "0.7", "--token-margin", "off")
TAIL = "Let me look at the next case, which is another one. "


@pytest.fixture
def run(pytester):
    """Run the suite of twelve questions on a recording of right answers.

    Every text that is not in `open_` has closed its reasoning.
    """
    pytester.makepyfile(test_sums=suite())

    def start(name, *options, open_=(), **fields):
        lines = []
        for n in range(12):
            said = f"Let me add.\n</think>\n\n\\boxed{{{2 * n}}}"
            if n in open_:
                said = f"Let me add: the answer is {2 * n}. " + "".join(
                    f"Case {each}. {TAIL}" for each in range(200)
                )
            lines.append(json.dumps({"question": f"q{n}", "output": said, **fields}))
        (pytester.path / f"{name}.jsonl").write_text("\n".join(lines))
        arguments = ("--model", f"{name}=recorded:{name}.jsonl", "--summary-json", "s.json")
        result = pytester.runpytest_inprocess(*arguments, *options)
        if (pytester.path / "s.json").exists():
            runs = json.loads((pytester.path / "s.json").read_text())["runs"]
            result.summary = runs[0] if runs else None
            (pytester.path / "s.json").unlink()
        return result

    return start


def test_the_summary_tells_them_in_one_line(run):
    result = run("m", open_=(3, 4))
    result.assert_outcomes(passed=10, failed=2)
    result.stdout.fnmatch_lines(
        ["*12 of 12 samples (100.0 %) do not say how they ended; pass rate*"]
    )
    total = result.summary["total"]
    assert (total["unknown_ends"], total["unknown_end_share"]) == (12, 1.0)
    assert total["pass_rate"]["value"] == pytest.approx(10 / 12)
    assert total["pass_rate_if_not_ended"]["value"] == 0
    assert total["lenient_pass_rate"]["value"] == 1
    assert total["failures"]["lost-answer"] == 2


def test_the_gate_refuses_unless_it_may_go_on_or_is_told(run):
    assert run("base", "--save-baseline", "base.json", finish_reason="stop").ret == OK
    refused = run("m", *GATE)
    assert refused.ret == UNDECIDED
    refused.stdout.fnmatch_lines(
        ["gate: UNDECIDED", "*12 of 12 samples of the candidate do not say how they ended*"]
    )
    gate = refused.summary["comparison"]["gate"]
    assert gate["outcome"] == "undecided"
    assert gate["settings"]["max_unknown_ends"] == 0.05
    assert refused.summary["comparison"]["unknown_ends"]["candidate"]["unknown"] == 12
    assert refused.summary["comparison"]["unknown_ends"]["baseline"]["unknown"] == 0
    assert run("m", *GATE, "--max-unknown-ends", "1").ret == OK
    told = run("m", *GATE, "--finish-reason", "stop")
    assert told.ret == OK
    assert told.summary["total"]["unknown_ends"] == 0
    # It is another run, so that what was told does not depend on which came first.
    assert told.summary["run_id"] != refused.summary["run_id"]
    assert run("m", *GATE).ret == UNDECIDED


def test_a_baseline_of_unknown_ends_is_refused_from_its_file(run):
    assert run("base", "--save-baseline", "base.json").ret == OK
    assert run("m", *GATE, finish_reason="stop").ret == UNDECIDED
    assert run("m", *GATE, "--max-unknown-ends", "1", finish_reason="stop").ret == OK


def test_a_gate_that_stops_early_refuses_as_well(run):
    assert run("base", "--save-baseline", "base.json", finish_reason="stop").ret == OK
    assert run("m", *GATE, "--early-stop").ret == UNDECIDED
    assert run("m", *GATE, "--early-stop", "--finish-reason", "stop").ret == OK


def test_a_column_and_exact_tokens_tell_ends(run):
    assert run("m", finish_reason="eos").summary["total"]["unknown_ends"] == 0
    cut = run("m", finish_reason="MAX_TOKENS").summary["total"]
    assert (cut["unknown_ends"], cut["failures"]["lost-answer"]) == (0, 12)
    # The suite's own budget is nobody's word on the recording's.
    assert run("m", completion_tokens=9).summary["total"]["unknown_ends"] == 12
    budget = ("--max-tokens", "64")
    assert run("m", *budget, completion_tokens=9).summary["total"]["unknown_ends"] == 0
    spent = run("m", *budget, completion_tokens=64).summary["total"]
    assert (spent["unknown_ends"], spent["failures"]["lost-answer"]) == (0, 12)


def test_what_is_told_of_no_recording_is_a_mistake(pytester):
    pytester.makepyfile(test_sums=suite())
    told = ("--finish-reason", "stop")
    result = pytester.runpytest_inprocess("--model", "m=http://127.0.0.1:9/v1", *told)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--finish-reason stop: none of the models is a recording*"])


def test_a_column_by_any_name_tells_ends(run):
    told = run("m", "--finish-reason", "column:meta.why", meta={"why": "end_turn"})
    assert told.summary["total"]["unknown_ends"] == 0
    told.stdout.fnmatch_lines(["*m: column meta.why tells how 12 of 12 texts ended"])
    cut = run("m", "--finish-reason", "column:meta.why", meta={"why": "max_tokens"})
    assert cut.summary["total"]["failures"]["lost-answer"] == 12
    # In other words it is another run, whichever came first.
    untold = run("m", meta={"why": "end_turn"})
    assert untold.summary["total"]["unknown_ends"] == 12
    assert untold.summary["run_id"] != told.summary["run_id"]
    odd = run("m", "--finish-reason", "column:why", why="who knows")
    assert odd.summary["total"]["unknown_ends"] == 12
    odd.stdout.fnmatch_lines(["*12 have a word that tells no end: who knows (12)"])


@pytest.mark.parametrize("option", ["column:", "eos", "column:" + 201 * "x"])
def test_a_column_without_a_name_is_a_mistake(run, option):
    assert run("m", "--finish-reason", option).ret == pytest.ExitCode.USAGE_ERROR


def test_a_column_that_is_not_there_is_told_with_those_that_are(run):
    result = run("m", "--finish-reason", "column:why", reason="stop")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*none of its 12 texts has anything in column why*", "*question, output, reason*"]
    )
