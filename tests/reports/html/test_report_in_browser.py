"""The report as its reader has it: in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from processes import wait_for
from report_store import BROKEN, SUMS, WORDS, add_run, make_store, question, right

from lrmtest.analysis.compare import EarlyStop, compare
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.reports.comparison_words import gate_promise, look_said
from lrmtest.reports.html import write_report
from lrmtest.runs.formats.baseline import write_baseline
from lrmtest.runs.looks import Look
from lrmtest.runs.reference import load_run
from lrmtest.runs.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

ALL = SUMS + WORDS


def rows(page):
    return page.locator("table.questions tbody tr:not([aria-hidden])")


def ids(page):
    return rows(page).locator("td.id").all_text_contents()


def shows(page, name):
    page.wait_for_selector(f"nav a[aria-current]:has-text('{name}')")


def total(page):
    return page.locator(".total").text_content()


def test_overview_says_what_was_decided_and_leads_on(report, watched):
    with watched(report) as page:
        assert page.title() == "Overview · lrmtest report"
        assert page.locator("h1").text_content() == "small regressed against full"
        assert page.locator(".decision .badge").text_content() == "Regressed"
        ranking = page.locator("table.ranking")
        assert ranking.locator("thead th").all_text_contents() == [
            "model", "gate", "all suites ↓", "tokens", "sums", "words",
        ]  # fmt: skip
        assert ranking.locator("tbody tr").count() == 2
        # 4 of 40 sums are failed by the baseline.
        assert "90.0 %" in ranking.locator("tbody tr").first.locator("td").nth(3).text_content()
        assert "engine error" in page.locator(".troubles").text_content()
        page.get_by_role("link", name=re.compile("16 broken")).click()
        page.wait_for_selector("table.questions")
        assert total(page) == f"16 of {ALL} questions"


def test_every_tab_and_back(report, watched):
    with watched(report) as page:
        for name in ("Plots", "Questions", "Runs"):
            page.get_by_role("navigation").get_by_role("link", name=name).click()
            shows(page, name)
            assert page.locator("nav a[aria-current]").text_content() == name
        page.go_back()
        shows(page, "Questions")
        page.go_back()
        shows(page, "Plots")
        titles = page.locator("figure h2").all_text_contents()
        assert "Pass rate" in titles
        assert "Question by question" in titles
        assert page.locator(".tile").count() == ALL
        for figure in page.locator("figure details").all():
            figure.locator("summary").click()
            assert figure.locator("tbody tr").count() > 0


def test_filters_narrow_each_other_and_are_in_the_address(report, watched):
    with watched(report, "#/questions") as page:
        assert total(page) == f"{ALL} questions"
        page.get_by_label("Suite").select_option("sums")
        assert total(page) == f"{SUMS} of {ALL} questions"
        page.get_by_label("Model").select_option("small-1")
        page.get_by_label("Result").select_option("failed")
        assert total(page) == f"{BROKEN['small']} of {ALL} questions"
        page.get_by_label("Since the baseline").select_option("broken")
        assert total(page) == f"{BROKEN['small'] - BROKEN['full']} of {ALL} questions"
        assert ids(page)[:2] == ["q4", "q5"]
        address = page.evaluate("location.hash")
        assert "suite=sums" in address
        assert "flip=broken" in address
        page.reload()
        page.wait_for_selector("table.questions")
        assert total(page) == f"16 of {ALL} questions"
        page.get_by_role("button", name="Clear").click()
        assert total(page) == f"{ALL} questions"


@pytest.mark.parametrize(
    ("result", "found"), [("looped", ["q1"]), ("no-answer", ["q2"]), ("error", [])]
)
def test_filter_by_class(report, watched, result, found):
    with watched(report, f"#/questions?result={result}&run=full-1") as page:
        assert ids(page) == found
        if not found:
            assert page.get_by_text("No question is like that.").is_visible()


def test_search_as_one_types(report, watched):
    with watched(report, "#/questions") as page:
        page.keyboard.press("/")
        page.keyboard.type("q1")
        page.get_by_text(f"11 of {ALL} questions", exact=True).wait_for()
        assert ids(page)[:3] == ["q1", "q10", "q11"]
        page.keyboard.type("7")
        page.get_by_text(f"1 of {ALL} questions", exact=True).wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_selector(".pane")
        assert page.evaluate("location.hash") == "#/q/sums/q17"
        page.keyboard.press("Escape")
        page.wait_for_selector("table.questions")
        assert page.get_by_role("searchbox").input_value() == "q17"


def test_sorting(report, watched):
    with watched(report, "#/questions?suite=sums") as page:
        natural = ids(page)
        assert natural[:3] == ["q0", "q1", "q2"]
        assert natural.index("q9") < natural.index("q10")
        heading = page.locator("thead th.tokens").first
        heading.get_by_role("button").click()
        assert page.locator("thead th.tokens").first.get_attribute("aria-sort") == "descending"
        assert ids(page)[0] == "q1"
        page.locator("thead th.tokens").first.get_by_role("button").click()
        assert page.locator("thead th.tokens").first.get_attribute("aria-sort") == "ascending"
        assert ids(page)[-1] == "q1" or "q1" not in ids(page)


def test_keys_move_through_the_table_and_the_questions(report, watched):
    with watched(report, "#/questions") as page:
        chosen = page.locator("tr[aria-selected=true]")
        page.keyboard.press("j")
        page.keyboard.press("ArrowDown")
        assert "q2" in chosen.text_content()
        page.keyboard.press("k")
        assert "q1" in chosen.text_content()
        page.keyboard.press("End")
        assert f"w/{WORDS - 1} ü" in chosen.text_content()
        assert chosen.is_visible()
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        page.wait_for_selector(".pane")
        page.keyboard.press("n")
        page.wait_for_url(report.as_uri() + "#/q/sums/q1")
        page.keyboard.press("ArrowRight")
        page.wait_for_url(report.as_uri() + "#/q/sums/q2")
        page.keyboard.press("p")
        page.wait_for_url(report.as_uri() + "#/q/sums/q1")
        page.keyboard.press("Escape")
        page.wait_for_selector("table.questions")
        assert "q1" in chosen.text_content()
        page.keyboard.press("?")
        assert page.get_by_role("dialog").is_visible()
        page.keyboard.press("Escape")
        assert not page.get_by_role("dialog").is_visible()
        page.keyboard.press("2")
        shows(page, "Plots")


def test_deep_link_to_an_id_with_odd_characters(report, watched):
    with watched(report, "#/q/words/w%2F3%20%C3%BC") as page:
        page.wait_for_selector(".pane")
        assert page.locator("h1").text_content() == "words w/3 ü"
        # A price is no mathematics.
        assert "worth $5 or $6?" in page.locator(".asked").text_content()
        assert page.locator(".pane").count() == 2
        tab = page.locator(".pane").nth(1).get_by_role("tab")
        assert tab.count() == 3
        tab.nth(2).click()
        assert "connection lost" in page.locator(".engine-error").text_content()


def test_unknown_addresses_are_said_to_be_unknown(report, watched):
    for address in ("#/q/sums/nothing", "#/q/constructor/__proto__", "#/nowhere", "#/q"):
        with watched(report, address) as page:
            assert page.locator("h1").text_content() == "Not found"


def test_question_view_shows_loops_once_and_folds_long_texts(report, watched):
    with watched(report, "#/q/sums/q1") as page:
        loop = page.locator(".loop").first
        assert "repeated 212 times" in loop.text_content()
        assert loop.text_content().count("once more") == 1
        page.goto(report.as_uri() + "#/q/words/w%2F0%20%C3%BC")
        page.wait_for_selector("h1:has-text('w/0')")
        page.wait_for_selector(".pane")
        reasoning = page.locator(".pane .text").first
        folded = len(reasoning.text_content())
        assert folded < 8000
        page.locator(".fold").first.click()
        assert len(page.locator(".pane .text").first.text_content()) > 16_000
        page.keyboard.press("e")
        assert page.locator(".fold").count() == 0


def test_mathematics_is_typeset_and_can_be_shown_as_written(report, watched):
    with watched(report, "#/q/sums/q7") as page:
        page.wait_for_selector(".pane")
        assert page.locator(".asked math").count() == 1
        assert page.locator(".pane math").count() >= 2
        page.keyboard.press("m")
        assert page.locator("math").count() == 0
        assert "$7 + 1$" in page.locator(".asked").text_content()


def test_traces_are_marked_where_they_part(report, watched):
    with watched(report, "#/q/sums/q10") as page:
        page.wait_for_selector(".parts")
        assert page.locator(".parts").count() == 2
        shared = page.locator(".shared").all_text_contents()
        assert shared[0] == shared[1] == "One and one make two. "


def test_the_command_to_ask_again(report, watched):
    with watched(report, "#/q/sums/q10") as page:
        page.wait_for_selector(".pane")
        assert page.locator(".command code").nth(1).text_content() == (
            "pytest 'suites/sums/test_sums.py::test_sums[q10]' --model small "
            "--samples 1 --regenerate"
        )


def test_light_and_dark(report, watched):
    def paper(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    with watched(report, color_scheme="light") as page:
        light = paper(page)
        page.keyboard.press("t")
        dark = paper(page)
        assert dark != light

        def reloaded():
            page.reload()
            page.wait_for_selector("main:not(:has(.coming)) h1")
            return paper(page)

        # Another process of the browser's keeps it, and is told of it in its own time.
        wait_for(lambda: reloaded() == dark)
    with watched(report, color_scheme="dark") as page:
        assert paper(page) == dark
        page.get_by_role("button", name="Light/dark").click()
        assert paper(page) == light


CONTRAST = """() => {
  const channel = (value) =>
    value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) =>
    0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255];
  };
  const poor = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility()) continue;
    if (element.closest('svg, script, .unseen, .off')) continue;
    const lights = [rgb(getComputedStyle(element).color), behind(element)].map(luminance);
    const ratio = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
    if (ratio < 4.5) poor.add(`${ratio.toFixed(2)} ${element.className}: ${text.slice(0, 40)}`);
  }
  return [...poor];
}"""
"""Text with less contrast to what is behind it than WCAG 2 asks for, 4.5 to 1."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "address",
    ["#/", "#/plots", "#/questions", "#/runs", "#/q/sums/q1?find=one", "#/search?find=one"],
)
def test_contrast_of_all_text(report, watched, scheme, address):
    with watched(report, address, color_scheme=scheme) as page:
        page.wait_for_timeout(200)
        assert page.evaluate(CONTRAST) == []


def test_controls_have_names_and_pictures_descriptions(report, watched):
    for address in ("#/", "#/plots", "#/questions", "#/q/sums/q1", "#/search?find=one"):
        with watched(report, address) as page:
            nameless = page.evaluate(
                """() => [...document.querySelectorAll('button, a, input, select, svg[role=img]')]
                .filter((one) => one.checkVisibility() && !one.closest('[aria-hidden=true]'))
                .filter((one) => !(one.textContent.trim() || one.getAttribute('aria-label')
                    || one.labels?.length)).map((one) => one.outerHTML)"""
            )
            assert nameless == []
            assert page.locator("h1").count() == 1
            assert page.locator("main").count() == 1


def test_printing_shows_every_question(report, watched):
    with watched(report, "#/questions") as page:
        assert rows(page).count() < ALL or ALL < 60
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert rows(page).count() == ALL
        page.emulate_media(media="print", color_scheme="dark")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(255, 255, 255)"
        assert not page.locator(".bar").is_visible()
        assert not page.locator(".toolbar").is_visible()
        assert page.locator("h1").is_visible()


def test_a_small_window_has_no_sideways_scrolling(report, watched):
    with watched(report) as page:
        page.set_viewport_size({"width": 400, "height": 800})
        for address in ("#/", "#/plots", "#/questions", "#/q/sums/q1", "#/runs"):
            page.goto(report.as_uri() + address)
            page.wait_for_timeout(150)
            wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wider <= 0, address


def test_runs_from_baseline_files_have_no_texts_and_say_so(tmp_path, watched):
    store = make_store(tmp_path / "lrmtest.sqlite")
    with Store(store) as opened:
        write_baseline(tmp_path / "full.json", opened.record(opened.run("full-1")))
    write_report(tmp_path / "report.html", [load_run(str(tmp_path / "full.json"), store)])
    with watched(tmp_path / "report.html", "#/q/sums/q7") as page:
        page.get_by_text("baseline files, which hold none").wait_for()
        page.keyboard.press("Escape")
        page.wait_for_selector("table.questions")
        assert total(page) == f"{ALL} questions"


def test_a_gate_that_stopped_early_is_told_with_its_figures(tmp_path, watched):
    store = make_store(tmp_path / "lrmtest.sqlite")
    runs = load_run("full-1", store), load_run("small-1", store)
    compared = compare(runs[0], runs[1], gate=GateSettings())
    early = EarlyStop(31, 104, 73, 9000.0, 12000.0, 0.9, 0.5)
    write_report(tmp_path / "report.html", runs, {"small-1": replace(compared, early=early)})
    with watched(tmp_path / "report.html") as page:
        words = page.locator(".decision").text_content()
        assert "31 of 104 samples counted, 73 not generated" in words
        # What had arrived is no fair part: no change is given, and no table by suite.
        assert page.locator(".delta").count() == 0
        assert page.locator("details.card").count() == 0


@pytest.fixture
def untold(tmp_path):
    """Two runs, and the second look at the candidate, three of whose texts do not say their end."""
    asked = [question("sums", f"q{n}", expected=str(n)) for n in range(8)]
    path = tmp_path / "lrmtest.sqlite"
    with Store(path) as store:
        add_run(store, "full-1", [(one, [right(n)]) for n, one in enumerate(asked)], model="full")
        ends = ["unknown"] * 3 + ["stop"] * 5
        texts = [(one, [replace(right(n), finish_reason=ends[n])]) for n, one in enumerate(asked)]
        add_run(store, "small-1", texts, model="small")
    runs = load_run("full-1", path), load_run("small-1", path)
    look = Look(number=2, share=0.16, left=0.04)
    return runs, compare(*runs, gate=GateSettings(look=look, series=2))


def test_looks_and_unknown_ends_are_told_as_on_the_terminal(tmp_path, untold, watched):
    runs, compared = untold
    write_report(tmp_path / "report.html", runs, {"small-1": compared})
    with watched(tmp_path / "report.html") as page:
        told = page.locator(".decision .look").text_content()
        assert told == look_said(compared.decision.settings)
        assert "Look 2: of its error rates it had 16 % now; 4 % is left" in told
        assert "This look's level is 0.4 %" in told
        assert "Series of 2 candidates" in told
        assert gate_promise(compared.decision.settings) in page.locator("main").text_content()
        ranking = page.locator("table.ranking tbody tr")
        # Both pass all; the baseline stands first.
        assert "end unknown" not in ranking.first.text_content()
        assert "3 end unknown, 62.5 % if none had ended" in ranking.last.text_content()
        suites = page.locator("details.card table")
        assert suites.locator("thead th").last.text_content() == "end unknown"
        assert (
            suites.locator("tbody td").last.text_content()
            == "0 \u2192 3 (62.5 % if none had ended)"
        )


def test_where_every_end_is_known_there_is_no_word_of_it(report, watched):
    with watched(report) as page:
        assert "end unknown" not in page.locator("main").text_content().lower()
        assert page.locator(".decision .look").count() == 0
