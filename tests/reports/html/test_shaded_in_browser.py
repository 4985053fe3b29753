"""Shaded traces and the view of readings, in a real browser."""

from __future__ import annotations

import pytest
from attacks import ATTACKS
from read_runs import PIECES, add_reading, add_traced, read_store
from reading import chunks_of, index_of
from report_store import make_store

from lrmtest.analysis.compare import compare
from lrmtest.reports.html import write_report
from lrmtest.runs.reference import load_run
from lrmtest.runs.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def written(folder, store, *names):
    runs = [load_run(name, store.path) for name in names]
    compared = {run.run_id: compare(runs[0], run) for run in runs[1:]}
    write_report(folder / "report.html", runs, compared)
    return folder / "report.html"


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "lrmtest.sqlite") as opened:
        yield opened


def test_a_trace_is_shaded_and_its_turns_are_jumped_to(tmp_path, store, watched):
    report = written(tmp_path, read_store(store), "parent-1", "small-1")
    with watched(report, "#/q/sums/q5") as page:
        page.wait_for_selector(".shaded .text")
        text = page.locator(".shaded .text")
        assert text.inner_text().replace("\n\n", "\n").startswith("<think>\nWait, so 6*7 = 42")
        shades = text.locator("span[class^=v]").all()
        assert [(one.text_content(), one.get_attribute("class")) for one in shades] == [
            ("so", "v1")
        ]
        assert shades[0].get_attribute("title") == "token 5: total variation 0.05"
        turn = text.locator("mark.turn")
        assert turn.text_content() == "42"
        assert turn.get_attribute("title") == ("token 10: total variation 0.80; it would turn here")
        # Who sees no colours sees the underline.
        thickness = "element => getComputedStyle(element).textDecorationThickness"
        assert (shades[0].evaluate(thickness), turn.evaluate(thickness)) == ("1px", "3px")
        page.get_by_role("button", name="first turn: token 10").click()
        assert page.evaluate("document.activeElement.textContent") == "42"
        assert "would turn" in page.locator(".shades").text_content()
        assert "S 0.85" in " ".join(page.locator(".shaded dl").inner_text().split())


def test_a_phone_has_every_tab(tmp_path, store, watched):
    report = written(tmp_path, read_store(store), "parent-1", "small-1")
    with watched(report, "#/reading") as page:
        page.set_viewport_size({"width": 400, "height": 800})
        nav = page.locator(".bar nav")
        assert nav.locator("a").count() == 5
        assert nav.evaluate("one => one.scrollWidth - one.clientWidth") <= 0


def test_the_view_of_readings(tmp_path, store, watched):
    report = written(tmp_path, read_store(store), "parent-1", "small-1")
    with watched(report, "#/reading") as page:
        card = page.get_by_role("region", name="small reads parent")
        assert "Rank correlation with the loss in pass rate: S 0.85" in card.inner_text()
        assert card.locator("figure circle").count() == 6
        rows = card.locator(".kinds").nth(0).locator("tbody tr")
        assert rows.first.inner_text().split()[:3] == ["sums", "q5", "0.85"]
        kinds = card.locator(".kinds").nth(1).locator("tbody").first.locator("tr")
        names = kinds.locator("th").all_text_contents()
        assert names == ["numbers", "operators", "connectives", "punctuation", "structure"]
        rows.first.locator("a").click()
        page.wait_for_selector(".shaded")
        assert page.locator("h1").text_content() == "sums q5"


def test_questions_are_sorted_by_divergence(tmp_path, store, watched):
    report = written(tmp_path, read_store(store), "parent-1", "small-1")
    with watched(report, "#/questions") as page:
        page.get_by_role("button", name="S, small").click()
        page.wait_for_selector("th[aria-sort=descending]")
        ids = page.locator("table.questions tbody tr:not([aria-hidden]) td.id")
        assert ids.all_text_contents() == ["q5", "q4", "q3", "q2", "q1", "q0"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_shaded_can_be_read(tmp_path, store, watched, scheme):
    """Contrast of at least 4.5 to 1, by WCAG's formula, on every shade."""
    pieces = [" none", " one", " two", " three", " four"]
    ids = add_traced(store, "parent-1", {"a": pieces}, model="parent")
    add_reading(store, "parent-1", "small", {"a": [1, 0.95, 0.8, 0.6, 0.2]}, ids)
    with watched(written(tmp_path, store, "parent-1"), "#/q/sums/a", color_scheme=scheme) as page:
        page.wait_for_selector(".shaded .v4")
        for shade in ("v1", "v2", "v3", "v4"):
            ratio = page.locator(f".shaded .text .{shade}").evaluate(CONTRAST)
            assert ratio >= 4.5, (shade, ratio)


CONTRAST = """element => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const light = (color) => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(element);
  const [a, b] = [light(style.color), light(style.backgroundColor)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""


def test_a_long_trace_opens_and_is_drawn_as_far_as_it_is_looked_at(tmp_path, store, watched):
    pieces = [f" w{n}" for n in range(30_000)]
    ids = add_traced(store, "parent-1", {"a": pieces, "b": ["x"]}, model="parent")
    keeps = [1 - (n % 5) / 10 for n in range(30_000)]
    keeps[25_000:25_010] = [0.01] * 10
    calm = [0.9999] * 30_000
    add_reading(store, "parent-1", "small", {"a": keeps, "b": [1.0]}, ids)
    add_reading(store, "parent-1", "close", {"a": calm, "b": [1.0]}, ids)
    report = written(tmp_path, store, "parent-1")
    [read] = [
        sample["read"]
        for chunk in chunks_of(report.read_text())
        for one in chunk
        for sample in one["runs"][0]["samples"]
        if len(sample["read"]["text"]) > 9
    ]
    close, small = sorted(read["by"], key=lambda one: len(one["n"]))
    assert close["n"] == [len("".join(pieces))]
    assert close["c"] == [30_000] == [sum(small["c"])]
    assert sum(small["n"]) == close["n"][0]
    with watched(report, "#/q/sums/a") as page:
        page.get_by_label("as read by").select_option(label="small")
        page.wait_for_selector(".shaded .text .v2")
        drawn = page.locator(".shaded .text > *").count()
        assert drawn < 5000
        page.locator(".shaded .fold").click()
        assert drawn < page.locator(".shaded .text > *").count() < 10_000
        page.get_by_role("button", name="first turn: token 25,001").click()
        assert page.evaluate("document.activeElement.textContent") == "w25000"
        assert "Show more of the" in page.locator(".shaded .fold").text_content()
        page.get_by_label("as read by").select_option(label="close")
        assert page.locator(".shaded .text").text_content().endswith("w29999")
        assert "0 tokens" in page.locator(".shaded dl").inner_text()


def test_tokens_full_of_attacks_are_shown_as_text(tmp_path, store, watched):
    traces = {f"q{n}": [attack, attack[:40], "\n", attack[-7:]] for n, attack in enumerate(ATTACKS)}
    traces = {
        name: [piece for piece in pieces if piece] or ["x"] for name, pieces in traces.items()
    }
    ids = add_traced(store, "parent-1", traces, model="parent")
    keeps = {name: [0.3] * len(pieces) for name, pieces in traces.items()}
    add_reading(store, "parent-1", "<img src=x onerror=alert(1)>", keeps, ids)
    report = written(tmp_path, store, "parent-1")
    with watched(report, "#/reading") as page:
        assert (
            "<img src=x onerror=alert(1)> reads parent" in page.locator("h2").first.text_content()
        )
        for number in (*range(0, len(ATTACKS), 7), len(ATTACKS) - 1):
            page.goto(f"{report.as_uri()}#/q/sums/q{number}")
            page.wait_for_selector(f"h1:has-text('q{number}')")
            page.wait_for_selector(".shaded mark.turn")
            assert page.locator(".shaded").count() == 1
            tags = "element => [...element.querySelectorAll('*')].map((one) => one.localName)"
            found = set(page.locator(".shaded").evaluate(tags))
            assert found <= {"mark", "span", "button", "div", "dl", "dt", "dd", "h3", "p", "wbr"}


def test_a_report_without_readings_is_what_it_was(tmp_path, store):
    path = make_store(tmp_path / "other.sqlite")
    runs = [load_run(name, path) for name in ("full-1", "small-1")]
    write_report(tmp_path / "report.html", runs, {})
    text = (tmp_path / "report.html").read_text()
    assert "readings" not in index_of(text)
    samples = [
        sample
        for chunk in chunks_of(text)
        for question in chunk
        for run in question["runs"]
        for sample in run["samples"]
    ]
    assert samples
    assert not any("read" in sample for sample in samples)


def test_traces_without_texts_have_figures_alone(tmp_path, store, watched):
    add_traced(store, "parent-1", {"a": PIECES}, model="parent")
    add_reading(store, "parent-1", "small", {"a": [0.5] * len(PIECES)})
    with watched(written(tmp_path, store, "parent-1"), "#/reading") as page:
        assert "What the traces' tokens say is not known" in page.locator(".reading").inner_text()
        page.get_by_role("link", name="sums a").click()
        page.wait_for_selector(".pane")
        assert page.locator(".shaded").count() == 0
