"""The summary as Markdown, read again by a real Markdown parser."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import sample_of
from markdown_it import MarkdownIt

from lrmtest.analysis.compare import compare
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.summary import summarize
from lrmtest.grading.verdict import Verdict
from lrmtest.reports.escape import one_line
from lrmtest.reports.failed import failed_questions
from lrmtest.reports.markdown import MOST_QUESTIONS, literal, markdown_report
from lrmtest.runs.records import RunRecord

PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")


def record(number, *, passed, model="m", sample=0, answer="7", suite="s", error=None):
    verdict = Verdict(passed, float(passed), answer, None if passed else "wrong", passed)
    return sample_of(
        model, suite, f"q{number}", sample, None if error else verdict, error=error,
        reasoning_tokens=90, answer_tokens=10,
    )  # fmt: skip


def summary(records, model="m"):
    return summarize(RunRecord(f"{model}-1", model, samples=tuple(records)))


class Cells(HTMLParser):
    """The text of every table cell, and every tag there is."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.cells, self._open = [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag in ("td", "th")
        if self._open:
            self.cells.append("")

    def handle_endtag(self, tag):
        self._open = self._open and tag not in ("td", "th")

    def handle_data(self, data):
        if self._open:
            self.cells[-1] += data


def read(text):
    cells = Cells()
    cells.feed(PARSER.render(text))
    return cells


INJECTIONS = (
    "<script>alert(1)</script>",
    "</details></summary><img src=x onerror=alert(1)>",
    "a | b | c",
    "**bold** _it_ ~~no~~ `code`",
    "[link](javascript:alert(1)) ![i](http://x/y)",
    "http://example.org www.example.org a@example.org @user #12 GH-1",
    "$x^2$ $$y$$ \\(z\\) \\\\",
    "&lt;b&gt; &amp; &#60;",
    "line\n\n# heading\n- item\n::error::x",
    "\x1b[31mred\x00\u202eback\ud800",
    ":smile: ```\nfence",
)


@pytest.mark.parametrize("text", INJECTIONS)
def test_hostile_text_stays_text(text):
    cells = read(f"| a |\n|---|\n| x{literal(text, 200)}x |\n")
    assert [tag for tag, _ in cells.tags] == ["table", "thead", "tr", "th", "tbody", "tr", "td"]
    assert cells.cells[1] == f"x{one_line(text, 200)}x"


@given(st.text(max_size=60))
def test_any_text_stays_text(text):
    cells = read(f"| a |\n|---|\n| x{literal(text, 200)}x |\n")
    assert [tag for tag, _ in cells.tags] == ["table", "thead", "tr", "th", "tbody", "tr", "td"]
    shown = f"x{one_line(text, 200)}x".replace("\xa0", " ")
    assert " ".join(cells.cells[1].split()) == " ".join(shown.split())


def test_nothing_that_github_adds_is_left():
    text = literal("http://a www.b.c WWW.b @u #1 $x$ :e: a@b", 200)
    assert not set("@#$:") & set(text.replace("&#", ""))
    assert "www." not in text.lower()


def test_results_have_intervals_and_failure_classes():
    records = [record(n, passed=n % 2 == 0) for n in range(8)]
    records += [record(9, passed=False, error="broke"), record(1, passed=True, suite="t")]
    cells = read(markdown_report([summary(records)])).cells
    assert cells[:4] == ["model", "suite", "n", "pass rate"]
    assert cells[11:23] == [
        "m", "s", "8", "50.0 % [21.5, 78.5]", "50.0 %", "4", "", "", "", "1", "100", "m",
    ]  # fmt: skip
    assert "all suites" in cells


def test_a_comparison_and_its_gate():
    def run(name, passing):
        records = [record(n, passed=n < passing) for n in range(100)]
        return RunRecord(name, name, "2026-01-01T00:00:00+00:00", samples=tuple(records))

    compared = compare(run("a<b>", 90), run("c|d", 10), gate=GateSettings())
    text = markdown_report([], [compared])
    assert "**❌ gate: regressed: a drop is established** (c&#124;d)" in text
    assert "a&#60;b&#62;" in text
    cells = read(text).cells
    assert cells[7:11] == ["s", "100", "90.0 %", "10.0 %"]
    assert cells[11].startswith("-80.0 [-")
    assert "80 broken" in text


def test_failed_questions_are_folded_and_bounded():
    answers = ["<b>bold</b>", None, "|"]
    records = [
        record(n, passed=False, answer=answers[n % 3]) for n in range(MOST_QUESTIONS + 50)
    ] + [record(1000, passed=False, error="<i>broke</i>")]
    keys = {r.place.question for r in records}
    failed = failed_questions(
        records,
        {key: f"test_s.py::test_s[{key[1]}]" for key in keys},
        {},
        threshold=0.5,
        broken=[("s", "q149")],
    )
    text = markdown_report([], [], {"m": failed})
    assert text.count("<details>") == text.count("</details>") == 1
    assert "151 questions of m failed, 1 of them passed in the baseline" in text
    assert "... and 51 more" in text
    assert "<b>" not in text
    cells = read(text).cells
    assert cells[6:12] == ["test_s.py::test_s[q149]", "broken", "wrong", "0/1", "|", "100"]


def test_the_size_is_bounded_whatever_models_say():
    records = [record(n, passed=False, answer="|" * 100_000) for n in range(5000)]
    failed = failed_questions(records, {}, {}, threshold=0.5)
    assert len(markdown_report([summary(records)], [], {"m": failed})) < 200_000


def test_a_question_with_an_engine_error_is_failed():
    records = [record(1, passed=True), record(1, passed=False, sample=1, error="broke")]
    (failed,) = failed_questions(records, {}, {}, threshold=0.5)
    assert (failed.failure, failed.error, failed.passes, failed.samples) == (None, "broke", 1, 1)
    assert failed_questions(records[:1], {}, {}, threshold=0.5) == []
