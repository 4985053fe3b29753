"""Single traces: read in a column, typeset, jumped about in and searched, in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote

import pytest
from attacks import ATTACKS
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from report_store import LOOP, add_run, question, right, said

from lrmtest.questions.question import SHORT_TEXT, Question
from lrmtest.reports.escape import plain
from lrmtest.reports.html import chunks, write_report
from lrmtest.runs.reference import load_run
from lrmtest.runs.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

FILLED = 120
"""Questions that have "common ground" in their traces: more than one search lists at once."""
WORDS = " ".join(f"Then comes sentence number {n}." for n in range(700))
"""So long that its middle is folded away."""
AT_PLACE = """() => {
  const here = document.querySelectorAll('.here');
  if (here.length !== 1) return `${here.length} places`;
  const { top, bottom } = here[0].getBoundingClientRect();
  return top < innerHeight && bottom > 52 ? here[0].className : `out of sight at ${top}`;
}"""
"""The one marked place, if it is in sight."""


SEARCHED = """(needle) => document.querySelector('.search input')?.value === needle
  && document.querySelector('.results').getAttribute('aria-busy') === 'false'"""


def both(page):
    """What both panes say of the last jump."""
    return page.locator(".said").all_text_contents()


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """Two runs; texts lie in many chunks."""
    folder = tmp_path_factory.mktemp("traces")
    places = question("sums", "places", expected="1234")
    plainly = question("sums", "plain", expected="4")
    hidden = question("words", "hidden")
    filled = [question("words", f"w{n}", f"Word {n}?") for n in range(FILLED)]
    first = said(f"We add. {WORDS}", f"So **it** is 1,234.\nThen {WORDS}\nIt is \\boxed{{1234}}.")
    second = said(f"We add. No.\n{LOOP * 212}", None, finish="length")
    answered = [(one, [right(2, "Here is common ground.")]) for one in filled]
    buried = said(f"{WORDS}\nHere is the Needle (in a haystack).* {WORDS}", "No.")
    with Store(folder / "lrmtest.sqlite") as store:
        for run, shown in (("full-1", first), ("small-1", second)):
            alone = replace(right(4), text="The answer is 4.")
            asked = [(places, [right(7), shown]), (plainly, [alone]), (hidden, [right(2), buried])]
            add_run(store, run, [*asked, *answered], model=run.removesuffix("-1"))
    runs = [load_run(run, folder / "lrmtest.sqlite") for run in ("full-1", "small-1")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "_CHUNK", 2000)
        write_report(folder / "report.html", runs)
        write_report(folder / "one.html", runs[:1])
    return folder / "report.html"


PLACES = "#/q/sums/places?run=small-1&sample=1"


def test_every_key_lands_on_its_place_and_says_which(traces, watched):
    with watched(traces, PLACES) as page:
        page.wait_for_selector(".loop")
        # The other trace shows its first sample, which neither loops nor differs.
        page.get_by_role("tab", name=re.compile("sample 1, correct")).click()
        for key, places in (
            ("l", ["loop here"]),
            ("c", ["closing here"]),
            ("a", ["graded here"]),
            ("d", ["parts here", "parts here"]),
        ):
            for place in [*places, places[0]]:
                page.keyboard.press(key)
                assert page.evaluate(AT_PLACE) == place, key
        full, small = both(page)
        assert full == "here it differs from small, after 2 words"
        assert small == "here it differs from full, after 2 words"
        page.keyboard.press("a")
        assert both(page)[0] == "1234: graded correct"
        # The answer is the last one in the text, in its box, not the first.
        box = page.locator("mark.graded")
        assert box.count() == 1
        assert box.locator("math .boxed").text_content() == "1234"
        assert page.locator(".graded-note").text_content() == "graded correct"


def test_every_button_does_what_its_key_does_and_what_is_missing_is_said(traces, watched):
    with watched(traces, PLACES) as page:
        looped = page.get_by_role("region", name="small")
        looped.get_by_role("button", name="Loop").click()
        assert page.evaluate(AT_PLACE) == "loop here"
        assert (
            looped.locator(".said").text_content() == "here it begins to repeat itself, 212 times"
        )
        assert looped.locator(".jump").all_text_contents() == ["Loop l", "First difference d"]
        assert "reasoning never closed, no answer graded" in looped.locator(".jumps").inner_text()
        page.goto(f"{traces.as_uri()}#/q/sums/plain")
        page.wait_for_selector("h1:has-text('plain')")
        jumps = page.locator(".jumps").first.inner_text()
        assert "no loop, no closing tag, no difference from small" in jumps
        for key, words in (("l", "no loop"), ("c", "no closing tag"), ("d", "no difference")):
            page.keyboard.press(key)
            assert all(said.startswith(f"{words} in either trace") for said in both(page))
        page.keyboard.press("a")
        assert page.evaluate(AT_PLACE) == "graded here"


def test_a_search_finds_what_is_in_no_chunk_that_was_opened(traces, watched):
    with watched(traces, "#/questions") as page:
        page.keyboard.press("s")
        page.wait_for_selector("h1:has-text('Search')")
        page.keyboard.type("NEEDLE (in a haystack).*")
        page.keyboard.press("Enter")
        page.get_by_text("2 hits in 1 question; ").wait_for()
        assert "find=NEEDLE" in page.evaluate("location.hash")
        assert page.locator(".snippet mark").first.text_content() == "Needle (in a haystack).*"
        page.get_by_role("link", name="small, sample 1, reasoning").click()
        page.wait_for_selector("mark.hit.here")
        assert page.evaluate(AT_PLACE) == "hit here"
        assert page.locator("mark.here").text_content() == "Needle (in a haystack).*"
        assert page.get_by_role("region", name="small").locator("mark.here").count() == 1
        assert page.locator(".find [role=status]").text_content() == "2 of 2"
        # The other is in a sample that is not shown, and in what is folded away.
        page.keyboard.press("h")
        assert page.locator(".find [role=status]").text_content() == "1 of 2"
        assert page.get_by_role("region", name="full").locator("mark.here").count() == 1
        page.reload()
        page.wait_for_selector("mark.hit.here")
        page.keyboard.press("/")
        page.keyboard.type("haystack")
        page.get_by_text("2 found").wait_for()
        page.keyboard.press("Enter")
        assert page.locator("mark.here").text_content() == "haystack"
        assert "find=haystack" in page.evaluate("location.hash")


def test_a_search_lists_so_many_questions_and_goes_on_when_asked(traces, watched):
    with watched(traces, "#/search?find=common+ground") as page:
        page.get_by_text(re.compile("hits in 1[01][0-9] questions, after")).wait_for()
        listed = page.locator(".results > li").count()
        assert 100 <= listed < FILLED
        page.get_by_role("button", name="Go on").click()
        page.get_by_text(f"{2 * FILLED} hits in {FILLED} questions; {FILLED + 3} ").wait_for()
        assert page.locator(".results > li").count() == FILLED
        assert not page.get_by_role("button", name="Stop").is_visible()
        page.get_by_role("link", name="words w3", exact=True).click()
        page.wait_for_selector("mark.hit.here")
        # Its neighbours are what was found, and the way back leads there.
        assert f"of {FILLED}" in page.locator(".crumbs").inner_text()
        page.keyboard.press("Escape")
        page.get_by_text(f"{2 * FILLED} hits in {FILLED} questions; ").wait_for()
        page.goto(f"{traces.as_uri()}#/search?suite=sums&find=common+ground")
        page.get_by_text("Not in any of 2 questions").wait_for()


def test_a_hostile_needle_is_a_text_like_any_other(traces, watched):
    needles = [".*", "(", "[a-", "(a+)+$", "\\", "$&", "<img src=x onerror=alert(1)>", "\ud800"]
    with watched(traces, "#/search") as page:
        for needle in [*needles, *ATTACKS[:12], "x" * 5000]:
            needle = needle.encode("utf-8", "replace").decode()
            address = quote(needle)
            page.goto(f"{traces.as_uri()}#/search?find={address}")
            page.wait_for_function(SEARCHED, arg=needle)
            marked = set(page.locator(".snippet mark").all_text_contents())
            assert marked <= {needle}, needle
            page.goto(f"{traces.as_uri()}#/q/words/hidden?find={address}")
            page.wait_for_selector(".question-body[aria-busy=false]")
            assert set(page.locator("mark.hit:not(:has(.tex))").all_text_contents()) <= {needle}, (
                needle
            )


TYPESET = {
    "Is **bold** here": "Is <strong>bold</strong> here",
    "*it* and **b *c* d**": "<em>it</em> and <strong>b <em>c</em> d</strong>",
    "***both***": "<strong><em>both</em></strong>",
    "`x**2**`": "<code>x**2**</code>",
    "**a `b` $c$**": "<strong>a <code>b</code> <math>c</math></strong>",
    "## Then\nnot # this": "<strong>Then\n</strong>not # this",
    "- one\n  * two\n12. three": "<span>one\n</span><span>two\n</span><span>12. three</span>",
    "```py\na*b*c\n$x$\n```\n*d*": "<code>a*b*c\n$x$\n</code><em>d</em>",
    "2 * 3 * 4, a*b*c, 2**3**4": "2 * 3 * 4, a*b*c, 2**3**4",
    "**not\nclosed** and ** spaces **": "**not\nclosed** and ** spaces **",
    "costs $5 or $6, *": "costs $5 or $6, *",
    "\\$7$ and \\*x*": "\\$7$ and \\*x*",
    "$\\mathbb{R}$ \\(a\\) \\boxed{7}": "<math>\u211d</math> <math>a</math> <math>7</math>",
    "$ \\sin x $ \\(\\mbox{a}\\) $ 5 and $ 6": "<math>sin⁡x</math> <math>a</math> $ 5 and $ 6",
    "\\begin{align}a&=b\\\\c&=d\\end{align}": "<math>a=bc=d</math>",
    "$\\nosuchthing{1}$ and $x^$": "$\\nosuchthing{1}$ and $x^$",
    "```\nnever closed *a*": "```\nnever closed <em>a</em>",
    "a <b>x</b> &lt; [l](javascript:1)": "a &lt;b>x&lt;/b> &amp;lt; [l](javascript:1)",
}
"""What is written, and what is shown of it."""
SHOWN = """(elements) => elements.map((element) => {
  const shown = (node) => {
    if (node.nodeType === 3) return node.data.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
    if (node.hidden || node.localName === 'wbr') return '';
    if (node.classList.contains('tex')) return `<math>${node.textContent}</math>`;
    return `<${node.localName}>${[...node.childNodes].map(shown).join('')}</${node.localName}>`;
  };
  return [...element.childNodes].map(shown).join('');
})"""
WRITTEN = """(elements) => elements.map((element) => {
  const written = (node) => node.nodeType === 3 ? node.data
    : node.classList.contains('tex') ? node.title : [...node.childNodes].map(written).join('');
  return [written(element), [...element.querySelectorAll('*')]
    .filter((one) => !one.closest('math')).map((one) => one.localName)];
})"""
ALLOWED = {"span", "strong", "em", "code", "wbr"}


def asked_report(path, texts):
    """A report of one question whose prompt has a message for each text."""
    store = path / "lrmtest.sqlite"
    store.unlink(missing_ok=True)
    one = Question("q", "s", {"text": "?"}, ("x",), SHORT_TEXT)
    with Store(store) as opened:
        add_run(opened, "a", [])
        opened.add_questions("a", [("s", "q", one, [("user", text) for text in texts])])
        add_run(opened, "b", [(one, [right()])])
    write_report(path / "report.html", [load_run("a", store), load_run("b", store)])
    return path / "report.html"


def test_emphasis_and_mathematics_are_typeset_and_what_is_not_understood_stays(tmp_path, watched):
    with watched(asked_report(tmp_path, list(TYPESET)), "#/q/s/q") as page:
        page.wait_for_selector(".asked .text")
        shown = page.locator(".asked .text").evaluate_all(SHOWN)
        assert dict(zip(TYPESET, shown, strict=True)) == TYPESET
        # The font came with the file, without a request; see `watched`.
        page.wait_for_function("[...document.fonts].some((one) => one.status === 'loaded')")
        font = page.locator("math").first.evaluate("one => getComputedStyle(one).fontFamily")
        assert font.startswith('"lrmtest math"')
        page.keyboard.press("m")
        assert page.locator(".asked .text").all_text_contents() == list(TYPESET)


TOKENS = [
    "*",
    "**",
    "***",
    "`",
    "```",
    "$",
    "$$",
    "\\[",
    "\\]",
    "\\(",
    "\\)",
    "\\boxed{",
    "}",
    "\n",
]
TOKENS += ["# ", "- ", "1. ", "a", " ", "x^2", "\\frac{1}{2}", "\\begin{align}", "\\end{align}"]
TOKENS += ["\\", "---", "<b>", "\u00e9", "\U0001d538", "&", "\\$"]
SEQUENCES = st.lists(st.sampled_from(TOKENS), max_size=30).map("".join) | st.text(max_size=60)


@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(SEQUENCES, min_size=150, max_size=200))
def test_whatever_is_written_all_of_it_is_there_and_nothing_else(tmp_path, watched, texts):
    with watched(asked_report(tmp_path, texts), "#/q/s/q") as page:
        page.wait_for_selector(".asked .text")
        found = page.locator(".asked .text").evaluate_all(WRITTEN)
    for text, (written, elements) in zip(texts, found, strict=True):
        assert written == (plain(text, 1000) or "nothing")
        assert set(elements) <= ALLOWED


def test_texts_made_to_take_long_do_not(tmp_path, watched):
    """Each takes hours where the work grows with its square."""
    parts = ["*", "**a ", "`", "` a", "$", "$a ", "\\[", "\\(a", "\\boxed{", "\\begin{align}"]
    parts += ["```a\n", "- ", "\n# ", "***a", "**a*b", "$$a", "[", "\\", "\\$ $", "*a `b $c "]
    texts = [(part * 190_000)[:190_000] for part in parts]
    with watched(asked_report(tmp_path, texts), "#/q/s/q") as page:
        page.wait_for_selector(".asked .text")
        assert page.locator(".asked .text").count() == len(texts)


@pytest.mark.parametrize("width", [1400, 700, 400])
def test_a_trace_is_a_column_that_can_be_read(traces, watched, width):
    """Characters of a full line: 80 where there is room for them."""
    with watched(traces.with_name("one.html"), "#/q/words/hidden") as page:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_selector(".pane .text")
        page.get_by_role("tab").nth(1).click()
        characters = page.locator(".trace .text").first.evaluate(
            """(element) => {
              const text = element.firstChild;
              const range = document.createRange();
              range.setStart(text, 0);
              for (let end = 20; end < 300; end++) {
                range.setEnd(text, end);
                if (range.getClientRects().length > 1) return end - 1;
              }
            }"""
        )
        assert (65 <= characters <= 95) if width > 400 else (35 <= characters <= 60)


def test_two_traces_stand_side_by_side_where_there_is_room(traces, watched):
    tops = "() => [...document.querySelectorAll('.pane')].map((one) => one.offsetTop)"
    with watched(traces, "#/q/words/w1") as page:
        page.wait_for_selector(".pane")
        for width, beside in ((1400, True), (700, False), (400, False)):
            page.set_viewport_size({"width": width, "height": 900})
            left, right_one = page.evaluate(tops)
            assert (left == right_one) == beside


def test_nothing_is_off_screen_at_400_pixels(tmp_path, traces, watched):
    wide = "$$" + "+".join(f"x_{{{n}}}^2" for n in range(60)) + "$$"
    texts = [wide, f"`{'y' * 400}`", "```\n" + "z" * 900 + "\n```", f"**{'w' * 600}**"]
    texts += ["# " + "h" * 300, "        - " + "i" * 300, "\\boxed{" + "8" * 200 + "}"]
    over = "document.documentElement.scrollWidth - innerWidth"
    addresses = [
        "#/search?find=common+ground",
        f"{PLACES}&find=add",
        "#/q/words/hidden?find=Needle",
    ]
    made = [(asked_report(tmp_path, texts), "#/q/s/q?find=y")]
    for report, address in [*made, *((traces, address) for address in addresses)]:
        with watched(report, address) as page:
            page.set_viewport_size({"width": 400, "height": 800})
            page.wait_for_selector(".question-body[aria-busy=false], .results li")
            for key in "lcad":
                page.keyboard.press(key)
            assert page.evaluate(over) <= 0, address
