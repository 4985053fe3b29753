"""The page of `lrmtest locate`: what is in it, and that a browser shows it and runs nothing."""

from __future__ import annotations

import re

import pytest
from attacks import ATTACKS

from lrmtest.analysis.location import Sets, TraceLocation, locate
from lrmtest.analysis.restoring import CurveSet, CurveSets, pass_rate, passes
from lrmtest.reports.html.location import location_page
from lrmtest.reports.location import LocationHeading
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

KINDS = ("self_attn.q_proj", f"mlp.{ATTACKS[0]}")
NAMES = [f"model.layers.{layer}.{kind}" for layer in range(12) for kind in KINDS]


def run(passed):
    return {
        ("sums", f"q{number}"): QuestionOutcome(
            "sums", f"q{number}", {0: SampleOutcome(None if number < passed else "wrong")}
        )
        for number in range(4)
    }


def location():
    """A location with everything in it, and attacks for names."""
    restored = {"none": 2.0, "first": 0.4, "random": 1.7, "last": 1.9, "whole": 0.1}
    traces = [
        TraceLocation(
            ("sums", f"q{number}"),
            {ATTACKS[1]: 2.0 + number},
            {ATTACKS[1]: 0.1},
            {name: 1.5 / (1 + at) for at, name in enumerate(NAMES)},
            {},
            restored,
        )
        for number in range(4)
    ]
    curve = CurveSets(
        suggested=(CurveSet(0.05, 1, "first"),),
        random=((CurveSet(0.05, 1, "random"),),),
        last_mlp=CurveSet(0.04, 1, "last"),
        none=CurveSet(0.0, 0, "none"),
        whole=CurveSet(1.0, len(NAMES), "whole"),
    )
    sets = Sets({}, [], (NAMES[0],), "first", ["random"], "whole", curve)
    return locate(
        traces,
        dict.fromkeys(NAMES, 100),
        sets,
        passes=passes(run(4), run(1), run(3), [run(2)], by_index=True),
        rates={name: pass_rate(run(at)) for at, name in enumerate(restored)},
    )


def heading():
    return LocationHeading(ATTACKS[2], ATTACKS[3], ATTACKS[4], ATTACKS[5])


def test_every_figure_is_there_and_no_name_is_markup():
    page = location_page(location(), heading())
    page.encode("ascii")
    tags = set(re.findall(r"<([A-Za-z!][A-Za-z0-9]*)", page.partition("</style>")[2]))
    drawn = {"svg", "g", "line", "path", "rect", "circle", "text", "title"}
    written = {"body", "main", "div", "section", "figure", "figcaption", "details", "summary"}
    tables = {"h1", "h2", "p", "ul", "li", "span", "table", "thead", "tbody", "tr", "th", "td"}
    assert tags <= drawn | written | tables
    assert len(re.findall(r"<rect", page)) == len(NAMES)
    assert len(re.findall(r"<circle", page)) == 8  # 3 by rank and the last MLP, twice
    # The curve's figures: rank 1 passes 25 %, and everything all.
    assert "passes 25.0 %" in page
    assert "passes 100.0 %" in page


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_a_browser_shows_it_narrow_and_dark_and_runs_nothing(watched, tmp_path):
    path = tmp_path / "located.html"
    path.write_text(location_page(location(), heading()), encoding="ascii")
    with watched(path, color_scheme="dark") as page:
        page.set_viewport_size({"width": 400, "height": 800})
        looks = page.evaluate(
            """() => ({
              wide: document.documentElement.scrollWidth > innerWidth,
              scripts: document.scripts.length,
              charts: [...document.querySelectorAll('svg.chart')].map((one) =>
                one.getBoundingClientRect().right <= innerWidth),
              paper: getComputedStyle(document.body).backgroundColor,
            })"""
        )
    assert looks["charts"] == [True] * 3
    assert not looks["wide"]
    assert looks["scripts"] == 0
    assert looks["paper"] == "rgb(20, 23, 26)"
