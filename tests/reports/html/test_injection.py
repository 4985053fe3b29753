"""A report full of attacks, opened and read through in a real browser: nothing happens.

The `watched` fixture holds every page to it: no dialog, no request, no error, no word on the
console, which is also where a browser complains of what the Content-Security-Policy stopped.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import quote

import pytest
from attacks import ATTACKS
from report_store import LOOP, add_run, manifest, said

from lrmtest.analysis.compare import compare
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.questions.question import SHORT_TEXT, Question
from lrmtest.reports.html import write_report
from lrmtest.runs.reference import load_run
from lrmtest.runs.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

LOOKS = """() => ({
  scripts: [...document.scripts].filter((one) => one.type !== 'application/octet-stream').length,
  loaded: document.querySelectorAll(
    'img, image, iframe, object, embed, video, audio, link, base, form[action], foreignObject'
  ).length,
  handlers: [...document.querySelectorAll('*')].filter((one) =>
    [...one.attributes].some((each) => /^on/i.test(each.name))).map((one) => one.outerHTML),
  links: [...document.querySelectorAll('[href]')].map((one) => one.getAttribute('href'))
    .filter((href) => !href.startsWith('#')),
  styled: [...document.querySelectorAll('main [style]')].filter((one) =>
    !one.matches('tr[aria-hidden]')).map((one) => one.outerHTML),
  ids: [...document.querySelectorAll('[id]')].map((one) => one.id)
    .filter((id) => !/^(app|index|main|math-font|chunk-[0-9]+|row-[0-9]+)$/.test(id)),
  wide: document.documentElement.scrollWidth > innerWidth,
  tall: [...document.querySelectorAll('math')].filter((one) => one.clientHeight > 2000).length,
})"""
QUIET = {
    "scripts": 1, "loaded": 0, "handlers": [], "links": [], "styled": [], "ids": [],
    "wide": False, "tall": 0,
}  # fmt: skip


def hostile_manifest(model, suites, attacks):
    content = manifest(model, suites, system_prompt=attacks[0])
    content["environment"] = {attack: [attack, {attack: attack}] for attack in attacks}
    content["model"]["compression"]["method"] = attacks[0]
    content["model"]["endpoint"] = attacks[-1]
    done = {"completions": 3, "tokens": 90, "seconds": 2.0}
    content["engine"] = {
        "details": {"replicas": [{**done, "url": each, "reason": each} for each in attacks]}
    }
    return content


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A report of two runs in which every field is an attack."""
    folder = tmp_path_factory.mktemp("hostile")
    asked = []
    for number, attack in enumerate(ATTACKS):
        # As UTF-8 must hold them in the store's columns, suites and ids are without surrogates.
        name = attack.encode("utf-8", "replace").decode()[:300]
        material = {"text": f"{attack} asked"}
        one = Question(
            f"{name}{number}", name or "none", material, (attack or "x", attack), SHORT_TEXT
        )
        asked.append(
            (
                one,
                [
                    said(f"{attack}\n" * 3, attack),
                    said(attack + LOOP * 100, None, finish="length"),
                    said("", attack, tokens=5),
                ],
            )
        )
    suites = dict.fromkeys(one.suite for one, _ in asked)
    path = folder / "lrmtest.sqlite"
    clean = [attack.encode("utf-8", "replace").decode() for attack in ATTACKS]
    with Store(path) as store:
        for run, model in (("a", ATTACKS[0]), ("b", ATTACKS[8])):
            errors = [(one, 9, attack) for (one, _), attack in zip(asked, clean, strict=True)]
            add_run(
                store,
                f"{run}-{ATTACKS[1]}",
                asked if run == "a" else asked[:-1],
                model=model,
                manifest_of=hostile_manifest(model, suites, clean),
                errors=errors,
                finished=False,
            )
    baseline, candidate = load_run("a-", path), load_run("b-", path)
    compared = compare(baseline, candidate, allowed=["all"], gate=GateSettings())
    report = folder / "report.html"
    write_report(report, [baseline, candidate], {candidate.run_id: compared})
    return report


@pytest.mark.parametrize("address", ["#/", "#/plots", "#/questions", "#/runs"])
def test_no_view_runs_or_loads_anything(hostile, watched, address):
    with watched(hostile, address) as page:
        for summary in page.locator("summary").all()[:40]:
            summary.click()
        page.mouse.move(300, 300)
        page.wait_for_timeout(300)
        assert page.evaluate(LOOKS) == QUIET
        assert page.evaluate("location.hash") == address


def test_no_question_runs_or_loads_anything(hostile, watched):
    with watched(hostile, "#/questions") as page:
        page.keyboard.press("Enter")
        for number in range(len(ATTACKS)):
            page.wait_for_selector(".question-body[aria-busy=false]")
            assert page.evaluate(LOOKS) == QUIET, page.title()
            for tab in page.get_by_role("tab").all()[:4]:
                tab.click()
            page.keyboard.press("e")
            page.keyboard.press("m")
            assert page.evaluate(LOOKS) == QUIET, page.title()
            page.keyboard.press("m")
            if number < len(ATTACKS) - 1:
                before = page.evaluate("location.hash")
                page.keyboard.press("n")
                page.wait_for_url(lambda url, before=before: before not in url)
        # The last one was reached: each had its page.
        assert page.locator(".step.off").count() == 1


def test_a_hostile_address_does_nothing(hostile, watched):
    for attack in ATTACKS[:40]:
        address = "#/questions?text=" + quote(attack.encode("utf-8", "replace"))
        with watched(hostile, address) as page:
            assert page.evaluate(LOOKS) == QUIET
    with watched(hostile, "#/search") as page:
        for attack in ATTACKS[:40:3]:
            page.goto(f"{hostile.as_uri()}#/search?find={quote(attack.encode('utf-8', 'replace'))}")
            page.wait_for_selector(".results li mark")
            assert page.evaluate(LOOKS) == QUIET
    with watched(hostile, "#/q/" + "%E0%A4%A/%" * 20) as page:
        assert page.locator("h1").text_content() == "Not found"


class Listener(BaseHTTPRequestHandler):
    """Remembers who asks for anything."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def listener():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    Listener.asked.clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_policy_stops_what_would_get_in(hostile, browser, listener):
    """The second wall: were markup ever made from a text, it could do nothing."""
    page = browser.new_page()
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(hostile.as_uri())
    page.wait_for_selector("main:not(:has(.coming)) h1")
    parsed = page.evaluate(
        """() => { try { document.body.innerHTML = '<img src=x onerror=alert(1)>'; return true; }
        catch (error) { return error.name; } }"""
    )
    assert parsed == "TypeError"
    page.evaluate(
        """(address) => {
        const make = (tag, attributes) => {
          const one = document.createElement(tag);
          for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
          document.body.append(one);
          return one;
        };
        make('img', { src: address + '/image' });
        make('link', { rel: 'stylesheet', href: address + '/style' });
        make('iframe', { src: address + '/frame' });
        make('div', { style: `background: url(${address}/background)` });
        make('style', {}).textContent = `body { background: url(${address}/inline) }`;
        make('form', { action: address + '/form' }).submit();
        navigator.sendBeacon(address + '/beacon');
        }""",
        listener,
    )
    fetched = page.evaluate("(address) => fetch(address).then(() => 1, () => 0)", listener)
    assert fetched == 0
    page.wait_for_timeout(500)
    assert Listener.asked == []
    assert dialogs == []
    assert page.url.startswith("file:")
    page.close()


def test_the_listener_hears_a_page_without_a_policy(browser, listener):
    """Or the test above could not fail."""
    page = browser.new_page()
    page.set_content(f"<img src={listener}/image>")
    page.wait_for_timeout(500)
    assert "/image" in Listener.asked
    page.close()
