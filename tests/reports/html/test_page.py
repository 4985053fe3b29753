"""The file itself: what it allows, and that its data cannot get out of their elements."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from reading import chunks_of, index_of, unpacked

from lrmtest.reports.html.chunks import packed
from lrmtest.reports.html.page import asset, page

# With everything that HTML knows, and lone surrogates.
texts = st.text() | st.sampled_from(["</script>", "<!--", "\ud800", "\x00", "&lt;", "é", "\u2028"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


class Elements(HTMLParser):
    """All elements of a page, with their attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@given(st.dictionaries(texts, values, max_size=5), st.lists(values, max_size=3))
def test_whatever_is_in_it_the_page_has_the_same_elements(document, chunks):
    html = page(document, [packed(chunk) for chunk in chunks])
    assert html.isascii()
    assert index_of(html) == document
    assert chunks_of(html) == chunks
    tags = [tag for tag, _ in Elements(html).found]
    assert tags[:-2] == [
        *("html", "head", "meta", "meta", "meta", "meta", "meta", "title", "style"),
        *("body", "noscript", "div", "script", "script", "script"),
        *["script"] * len(chunks),
    ][:-2]  # fmt: skip


def test_the_policy_allows_the_one_script_and_the_one_style_alone():
    html = page({}, [])
    policy = unescape(re.search(r'Security-Policy" content="([^"]*)"', html).group(1))
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))

    def hashed(text):
        digest = hashlib.sha256(text.encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"

    [script] = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert directives == {
        "default-src": "'none'",
        "script-src": hashed(script),
        "style-src": hashed(style),
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    # It comes before everything that it is to hold back.
    assert html.index("Security-Policy") < html.index("<style>") < html.index("<script")


def test_nothing_in_the_page_leads_elsewhere():
    for tag, attributes in Elements(page({}, [])).found:
        assert not {"src", "href", "srcset", "action", "data", "style"} & set(attributes), tag
    assert "url(" not in asset("report.css")
    assert "@import" not in asset("report.css")


def test_packing_gives_base64_alone():
    assert re.fullmatch(r"[A-Za-z0-9+/]+=*", packed({"a": "</script>" * 1000}))
    assert unpacked(packed("\ud800")) == "\ud800"
