"""The report of twelve models: ranked, told apart, picked out, and all of it on a phone."""

from __future__ import annotations

from itertools import combinations

import pytest
from report_store import EACH, FAMILY, VARIANTS, add_run, make_many, manifest, question, right

from lrmtest.analysis.compare import compare
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.reports.html import write_report
from lrmtest.runs.reference import load_run
from lrmtest.runs.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

NAMES = [FAMILY + name for name, _, _ in VARIANTS]


def written(folder, **options):
    store = folder / "lrmtest.sqlite"
    runs = [load_run(run_id, store) for run_id in make_many(store, **options)]
    compared = {run.run_id: compare(runs[0], run, gate=GateSettings()) for run in runs[1:]}
    write_report(folder / "report.html", runs, compared)
    return folder / "report.html"


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """The report of twelve runs, eleven of them compared with the first."""
    return written(tmp_path_factory.mktemp("many"))


def models(page):
    return page.locator("table.ranking tbody .model").all_text_contents()


def sort(page, name):
    page.locator("table.ranking thead").get_by_role("button", name=name).click()


def sorted_by(page):
    """The heads by which the table is sorted, and which way."""
    return page.locator("table.ranking thead th").evaluate_all(
        """heads => heads.map((one) => [one.textContent, one.getAttribute('aria-sort')])
        .filter(([_, way]) => way !== 'none')"""
    )


def test_the_ranking_is_first_and_the_best_model_first_in_it(many, watched):
    with watched(many) as page:
        assert models(page) == NAMES  # each fails one question more of each suite
        assert sorted_by(page) == [["all suites ↓", "descending"]]
        assert page.locator(".card").first.locator("table.ranking").count() == 1
        first = page.locator("table.ranking tbody tr").first
        assert first.locator("th .facts").text_content() == "baseline"
        assert page.locator("table.ranking tr.baseline").count() == 1
        last = page.locator("table.ranking tbody tr").last.text_content()
        # 11 of 12 questions failed of each suite.
        assert "8.3 %" in last
        assert "−91.7" in last
        # No eleven names in a heading.
        assert (
            page.locator("h1").text_content().endswith(f"of 11 runs regressed against {NAMES[0]}")
        )


def test_sorting_by_click_and_by_keyboard(many, watched):
    with watched(many) as page:
        sort(page, "bits")
        assert sorted_by(page) == [["bits ↓", "descending"]]
        assert models(page)[-1] == FAMILY + "gguf-IQ2_XXS"
        sort(page, "bits")
        assert sorted_by(page) == [["bits ↑", "ascending"]]
        assert models(page)[0] == FAMILY + "gguf-IQ2_XXS"
        page.locator("table.ranking thead").get_by_role("button", name="model").focus()
        page.keyboard.press("Enter")
        assert sorted_by(page) == [["model ↑", "ascending"]]
        # As people count: 0.5, 0.9, 0.10 are 5, 9 and 10.
        assert models(page)[-3:] == [FAMILY + f"sparsegpt-0.{n}" for n in (5, 9, 10)]
        page.keyboard.press("Space")
        assert sorted_by(page) == [["model ↓", "descending"]]
        # It is in the address, to be sent on.
        assert page.evaluate("location.hash") == "#/?sort=model&down=1"
        page.reload()
        page.wait_for_selector("table.ranking")
        assert sorted_by(page) == [["model ↓", "descending"]]


def test_a_gate_leads_to_what_it_rests_on(many, watched):
    with watched(many) as page:
        assert page.locator("details.decision").count() == 11
        assert page.locator("details.decision[open]").count() == 0
        page.locator("table.ranking tbody tr").last.get_by_role("button", name="Regressed").click()
        opened = page.locator("details.decision[open]")
        assert opened.count() == 1
        assert NAMES[-1] in opened.locator("h2").text_content()
        assert opened.locator("table tbody tr").count() == 3
        assert opened.locator("summary").first.evaluate("one => one === document.activeElement")


DIMMED = """() => [...document.querySelectorAll('svg.chart [data-run], .legend [data-run]')]
  .filter((one) => !one.matches('.band') && getComputedStyle(one).opacity < 0.5)
  .map((one) => Number(one.getAttribute('data-run')))"""


def dimmed(page):
    return set(page.evaluate(DIMMED))


def test_pointing_picks_one_model_out_of_the_plots(many, watched):
    others = set(range(12)) - {3}
    with watched(many, color_scheme="dark") as page:
        page.set_viewport_size({"width": 1400, "height": 2000})
        assert dimmed(page) == set()
        row = page.locator("table.ranking tbody tr[data-run='3']")
        row.hover()
        assert dimmed(page) == others
        page.locator("h1").hover()
        assert dimmed(page) == set()
        page.locator("svg.chart .row-name").nth(3).hover()
        assert dimmed(page) == others
        page.locator("h1").hover()
        page.locator(".legend .run-key[data-run='3']").first.focus()
        assert dimmed(page) == others
        page.keyboard.press("Tab")
        assert dimmed(page) == set(range(12)) - {4}


def test_a_click_keeps_a_model_picked_also_in_other_views(many, watched):
    others = set(range(12)) - {3}
    with watched(many) as page:
        key = page.locator("table.ranking .run-key[data-run='3']")
        key.click()
        page.locator("h1").hover()
        assert key.get_attribute("aria-pressed") == "true"
        assert dimmed(page) == others
        page.get_by_role("navigation").get_by_role("link", name="Plots").click()
        page.wait_for_selector("nav a[aria-current]:has-text('Plots')")
        assert dimmed(page) == others
        # Only its own interval is drawn over the budgets.
        bands = page.locator(".band").evaluate_all(
            "all => all.map((one) => Number(getComputedStyle(one).opacity) > 0)"
        )
        assert sum(bands) == 2  # of two suites
        # The overview's plots are drawn behind all else, and picked out all the same.
        page.get_by_role("navigation").get_by_role("link", name="Overview").click()
        page.wait_for_selector("nav a[aria-current]:has-text('Overview')")
        page.wait_for_selector("main:not(:has(.coming)) svg.chart")
        assert dimmed(page) == others
        page.get_by_role("navigation").get_by_role("link", name="Plots").click()
        page.wait_for_selector("nav a[aria-current]:has-text('Plots')")
        page.locator(".legend .run-key").first.focus()
        page.keyboard.press("Escape")
        page.locator("h1").hover()
        page.evaluate("document.activeElement.blur()")
        assert dimmed(page) == set()


def test_a_tap_picks_out_and_another_lets_go(many, watched):
    with watched(many, has_touch=True) as page:
        key = page.locator("table.ranking .run-key[data-run='2']")
        key.tap()
        assert dimmed(page) == set(range(12)) - {2}
        key.tap()
        assert dimmed(page) == set()


def boxes(page, selector):
    return page.locator(selector).evaluate_all(
        """all => all.map((one) => {
          const {left, right, top, bottom} = one.getBoundingClientRect();
          const drawing = one.ownerSVGElement.getBoundingClientRect();
          return {left, right, top, bottom, text: one.textContent,
            inside: left >= drawing.left - 1 && right <= drawing.right + 1
              && top >= drawing.top - 1 && bottom <= drawing.bottom + 1};
        })"""
    )


def lie_on_each_other(one, other):
    across = min(one["right"], other["right"]) - max(one["left"], other["left"])
    down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return across > 1 and down > 1.5


@pytest.mark.parametrize("width", [1400, 700, 400])
@pytest.mark.parametrize("alike", [False, True])
def test_names_in_the_plot_lie_on_nothing(many, tmp_path, watched, width, alike):
    report = written(tmp_path, alike=True) if alike else many
    with watched(report, "#/plots") as page:
        page.set_viewport_size({"width": width, "height": 900})
        page.reload()
        page.wait_for_selector(".point-name")
        names = boxes(page, ".point-name")
        marks = boxes(page, "svg.chart g[data-run] > .mark.dot")
        assert all(one["inside"] for one in names)
        assert len({one["text"] for one in names}) == len(names)
        # Where there is no room for a name, its model is in the legend, which has all of them.
        assert len(names) == 12 if width > 400 else len(names) >= 6
        assert page.locator(".legend.runs").first.locator("button").count() == 12
        for one, other in combinations(names, 2):
            assert not lie_on_each_other(one, other), (one, other)
        front = page.locator("figure", has=page.locator(".point-name")).first
        drawn = front.locator("svg.chart").bounding_box()
        for name in names:
            for mark in marks:
                if drawn["y"] <= mark["top"] <= drawn["y"] + drawn["height"] and not alike:
                    assert not lie_on_each_other(name, mark), (name, mark)


@pytest.mark.parametrize("width", [1400, 400])
def test_rows_have_names_that_are_told_apart(many, watched, width):
    with watched(many, "#/plots") as page:
        page.set_viewport_size({"width": width, "height": 900})
        page.reload()
        page.wait_for_selector(".row-name")
        for chart in page.locator("svg.chart").all():
            shown = chart.locator(".row-name").evaluate_all(
                "all => all.map((one) => one.lastChild.textContent)"
            )
            assert len(set(shown)) == len(shown)


OFF_SCREEN = """() => [...document.querySelectorAll('main *, .bar *')].filter((one) => {
  const box = one.getBoundingClientRect();
  if (!box.width || !box.height || (box.right <= innerWidth + 1 && box.left >= -1)) return false;
  // What can be scrolled to, in a box of its own, is not lost.
  for (let at = one.parentElement; at; at = at.parentElement) {
    if (['auto', 'scroll'].includes(getComputedStyle(at).overflowX)) return false;
    if (['hidden', 'clip'].includes(getComputedStyle(at).overflowX)) return false;
  }
  return !one.matches('.unseen, .skip');
}).map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("address", ["#/", "#/plots", "#/runs"])
def test_nothing_is_off_a_phones_screen(many, watched, address):
    with watched(many, address) as page:
        page.set_viewport_size({"width": 400, "height": 800})
        page.reload()
        page.wait_for_selector("main:not(:has(.coming)) h1")
        for summary in page.locator("main summary").all()[:16]:
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.evaluate(OFF_SCREEN) == []


def test_the_rankings_first_column_stays_while_it_is_scrolled(many, watched):
    with watched(many) as page:
        page.set_viewport_size({"width": 400, "height": 800})
        box = page.locator(".ranking-box")
        name = page.locator("table.ranking tbody th").first
        before = name.bounding_box()
        size = page.locator("table.ranking tbody tr").first.locator("td").last
        assert size.bounding_box()["x"] > 400
        box.evaluate("one => { one.scrollLeft = one.scrollWidth; }")
        assert size.bounding_box()["x"] < 400
        assert name.bounding_box()["x"] == before["x"]
        # It covers what goes by below it.
        covered = name.evaluate(
            """one => { const {left, top, width, height} = one.getBoundingClientRect();
            const at = document.elementFromPoint(left + width - 4, top + height - 4);
            return one === at || one.contains(at); }"""
        )
        assert covered


def test_what_differs_between_manifests_is_a_table_and_the_rest_is_folded(many, watched):
    with watched(many, "#/runs") as page:
        table = page.locator("table.differences")
        heads = table.locator("thead th").all_text_contents()
        assert heads[1:] == [NAMES[0] + " baseline", *NAMES[1:]]
        rows = {row[0]: row[1:] for row in table.locator("tbody tr").evaluate_all(
            "all => all.map((row) => [...row.cells].map((one) => one.textContent))"
        )}  # fmt: skip
        assert rows["model › compressionbits_per_weight"] == [
            f"{bits:g}" for _, _, bits in VARIANTS
        ]
        # Options, which name the model, differ alike in both suites: they are one row.
        assert rows["suites › sums, wordsoptions"][1] == f"--model {NAMES[1]}"
        assert not any("prompt_sha256" in name for name in rows)
        same = page.locator("details", has_text="What is the same")
        assert not same.locator(".manifest").is_visible()
        same.locator("summary").first.click()
        assert "prompt_sha256" in same.locator(".manifest").text_content()
        assert "bits_per_weight" not in same.locator(".manifest").text_content()


def test_one_model_has_an_overview_of_its_own(tmp_path, watched):
    make_many(tmp_path / "lrmtest.sqlite")
    run = load_run("gptq-3bit-group128-1", tmp_path / "lrmtest.sqlite")
    write_report(tmp_path / "report.html", [run])
    with watched(tmp_path / "report.html") as page:
        failed = 2 * 8  # of both suites
        assert page.locator("table.ranking").count() == 0
        figures = page.locator("table.figures-by-suite tbody tr")
        assert figures.locator("th").all_text_contents() == ["all suites", "sums", "words"]
        assert "33.3 %" in figures.first.text_content()
        # Every completion is in one bar of its suite's histogram.
        bars = page.locator("figure", has_text="Tokens per completion: sums")
        assert f"{EACH} completions" in bars.locator("figcaption").text_content()
        bars.locator("summary").click()
        counts = bars.locator("tbody td").all_text_contents()
        assert sum(map(int, counts)) == EACH
        hardest = page.locator(".hardest tbody tr")
        assert hardest.count() == 12
        assert "wrong" in hardest.first.text_content()
        page.set_viewport_size({"width": 400, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.evaluate(OFF_SCREEN) == []
        wrong = page.locator("table.failures tbody tr", has_text="wrong").locator("a").first
        assert wrong.text_content() == str(failed)
        wrong.click()
        page.wait_for_selector("table.questions")
        assert page.locator(".total").text_content() == f"{failed} of {2 * EACH} questions"
        page.go_back()
        page.wait_for_selector(".hardest")
        hardest.first.locator("a").click()
        page.wait_for_selector(".pane")


def test_each_replica_of_a_run_has_its_rate(tmp_path, watched):
    url = "http://user:hunter2@gpu1:8000/v1?api_key=wJalrXUtnFEMIK7MDENG"
    content = manifest("served", ["sums"])
    content["engine"] = {
        "engine": "replicas",
        "details": {
            "replicas": [
                {"url": url, "completions": 1200, "tokens": 90_000, "seconds": 60.0},
                {"url": "http://<b>/v1", "completions": 0, "seconds": 0, "reason": "it is <gone>"},
            ]
        },
    }
    with Store(tmp_path / "lrmtest.sqlite") as store:
        add_run(store, "served", [(question("sums", "q1"), [right()])], manifest_of=content)
        add_run(store, "other", [(question("sums", "q1"), [right()])])
    runs = [load_run(name, tmp_path / "lrmtest.sqlite") for name in ("served", "other")]
    for shown in (runs[:1], runs):
        write_report(tmp_path / "report.html", shown)
        with watched(tmp_path / "report.html", "#/runs") as page:
            [first, second] = page.locator("table.replicas tbody tr").evaluate_all(
                "all => all.map((row) => [...row.cells].map((one) => one.textContent))"
            )
            assert first[0].endswith("gpu1:8000/v1?api_key=***")
            assert first[1:] == ["1,200", "1,500", ""]
            assert second == ["http://<b>/v1", "0", "\u2013", "it is <gone>"]
            assert page.locator("h2", has_text="Replicas of").all_text_contents() == [
                "Replicas of served"
            ]
            held = page.content()
        assert not [secret for secret in ("hunter2", "wJalrXUtnFEMIK7MDENG") if secret in held]
