"""Names and figures for trackers of experiments."""

import re

from exported_run import LOGS
from hypothesis import example, given
from hypothesis import strategies as st

from lrmtest.analysis.summary import summarize
from lrmtest.cli import main
from lrmtest.reports.trackers.names import LONGEST, tracker_names
from lrmtest.reports.trackers.tracked_run import COLUMNS, tracked_run
from lrmtest.runs.store import STORE_NAME, Store

ALLOWED = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")


@given(st.sets(st.text(st.characters() | st.sampled_from("aA_-/.1\0\ud800"), max_size=130)))
@example({"gpqa-diamond", "gpqa_diamond", "GPQA_diamond", "gpqa diamond"})
@example({"", "_", " ", "1", "_1", "../..", "a" * 200, "a" * 201, "a" * 100})
def test_any_names_become_different_ones_that_trackers_take(names):
    found = tracker_names(names)
    assert found.keys() == names
    assert len({name.lower() for name in found.values()}) == len(names)
    for name in found.values():
        assert ALLOWED.fullmatch(name)
        assert len(name) <= LONGEST
    assert tracker_names(list(names)[::-1]) == found


@given(st.sets(st.from_regex(r"[_a-z][_a-z0-9]{0,20}", fullmatch=True)))
def test_names_that_are_taken_stay(names):
    assert tracker_names(names) == {name: name for name in names}


def test_what_is_replaced_can_be_recognized():
    assert tracker_names(["gpqa-diamond", "pass@4"]) == {
        "gpqa-diamond": "gpqa_diamond",
        "pass@4": "pass_4",
    }


def test_figures_have_their_intervals_and_no_text_of_a_question(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (log,) = LOGS.glob("samples_*.jsonl")
    assert main(["import", str(log), "--kind", "option", "--name", "old"]) == 0
    with Store(tmp_path / "reports" / STORE_NAME) as store:
        summary = summarize(store.record(store.run("last")))
    figures = tracked_run(summary, []).figures
    (part,) = summary.suites
    prefix = f"{part.suite}/"
    assert figures[f"{prefix}pass_rate"] == part.strict.value
    assert figures[f"{prefix}pass_rate_low"] == part.strict.interval.low
    assert figures[f"{prefix}pass_rate_high"] == part.strict.interval.high
    assert figures[f"{prefix}failures_looped"] == part.failures["looped"]
    assert figures[f"{prefix}tokens_reasoning_mean"] == part.reasoning_tokens.mean
    assert figures["all_suites/questions"] == 12
    # It has no count of prompts' tokens, which is no count of 0.
    assert part.prompt_tokens is None
    assert not [name for name in figures if "prompt" in name]
    assert not {"expected", "extracted"} & set(COLUMNS)
