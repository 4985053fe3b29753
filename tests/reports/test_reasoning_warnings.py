"""Tags that are not known are told in every report."""

from __future__ import annotations

import json

from lrmtest.analysis.summary import summarize
from lrmtest.models.spec import KnownTags
from lrmtest.reports.html.figures import document
from lrmtest.reports.markdown import markdown_report
from lrmtest.reports.summary_json import summary_document
from lrmtest.reports.terminal import render, summary_table
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.reasoning import section_of, warnings_of
from lrmtest.runs.records import RunRecord

SECTION = section_of(KnownTags(), ["<musing>a longer thought</musing>b", "[THINK]a[/THINK]b"])
RUN = RunRecord("r", "m", manifest=Manifest(reasoning=SECTION), samples=())


def test_in_every_report():
    summary = summarize(RUN)
    terminal = " ".join(render(summary_table([summary]), 200, False).split())
    assert "1 of 2 texts begin with <musing>, which is no reasoning tag" in terminal
    assert "reasoning tags seen: <musing> ... </musing> in 1 of 2 texts" in terminal
    markdown = markdown_report([summary])
    assert "texts begin with &#60;musing&#62;" in markdown
    (run,) = summary_document([summary])["runs"]
    assert run["warnings"] == warnings_of(SECTION)
    page = document([RUN], {}, [], {}, {}, 0.5)
    assert any("begin with <musing>" in line for line in page["runs"][0]["lacking"])


def test_hostile_marks_are_shown_as_text():
    mark = "<x-\u202eevil data-a='\x1b[31m'>"
    section = section_of(KnownTags(), [f"{mark} the answer is 42"] * 3)
    run = RunRecord("r", "m", manifest=Manifest(reasoning=section), samples=())
    summary = summarize(run)
    for shown in (render(summary_table([summary]), 200, False), markdown_report([summary])):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert json.dumps(summary_document([summary]))
