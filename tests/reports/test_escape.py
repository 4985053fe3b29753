from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.reports.escape import _UNSAFE, one_line, plain, plain_tail, safe
from lrmtest.reports.terminal import render

nasty = st.sampled_from(
    ["\x1b[31m", "\x1b]0;owned\x07", "\x1b", "\x9b2J", "\x00", "\r", "\r\n", "\u202e", "\ud800",
     "\t", "\n", "[bold red]", "[/]", "\u2028", "\U000e0041", "日本", "e\u0301", "\x1bP"]
)  # fmt: skip
texts = st.lists(nasty | st.text(max_size=5), max_size=40).map("".join)


def _assert_harmless(text):
    for character in text:
        assert character == "\n" or unicodedata.category(character) not in ("Cc", "Cs")
        assert character not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"
    text.encode("utf-8")


@given(texts, st.integers(0, 60))
def test_nothing_a_terminal_obeys_is_left(text, limit):
    for shown in (plain(text, limit), plain_tail(text, limit), one_line(text, limit)):
        _assert_harmless(shown)
    note = re.compile(r"… \(\d+(\.\d)? (bytes?|kB) more\)$")
    assert len(note.sub("", plain(text, limit))) <= limit
    assert "\n" not in one_line(text, limit)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_harmless_text_stays(text):
    assert plain(text, 100) == text
    assert plain_tail(text, 100) == text


@given(texts)
def test_markup_is_literal(text):
    """Rich must neither style, nor drop, nor choke on what looks like its markup."""
    shown = plain(text, 1000)
    printed = render(safe(text, 1000), 10_000, False)
    assert [line.rstrip() for line in shown.rstrip("\n").split("\n")] == printed.split("\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;title\x07after", "after"),
        ("bell\x07 nul\x00", "bell\\x07 nul\\x00"),
        ("a\r\nb\rc", "a\nb\\x0dc"),
        ("abc\u202edef", "abc\\u202edef"),
        ("\ud83d", "\\ud83d"),
        ("[red]x[/red]", "[red]x[/red]"),
        ("x\ty", "x    y"),
    ],
)
def test_what_becomes_of_it(text, shown):
    assert plain(text, 100) == shown


def test_what_was_left_out_is_named():
    assert plain("x" * 100 + "y" * 1_200_000, 100) == "x" * 100 + "… (1.2 MB more)"
    assert plain_tail("y" * 1_200_000 + "x" * 100, 100) == "(1.2 MB before) …" + "x" * 100
    assert plain("é", 0) == "… (2 bytes more)"
    assert plain("abc\x1b[0m", 3) == "abc", "what is dropped needs no room"


@pytest.mark.parametrize(
    "text", ["\x1b[" * 1_000_000, "\x1b]" * 1_000_000, "\x1b[" + "0" * 2_000_000,
             "\x1b[" + "1;" * 1_000_000 + " " * 1_000_000, "\x1b]" + "x" * 2_000_000,
             "\x00" * 2_000_000]
)  # fmt: skip
def test_megabytes_take_linear_time(text):
    begun = time.thread_time()
    assert len(plain(text, 500)) < 600
    assert len(plain_tail(text, 500)) < 600
    assert time.thread_time() - begun < 5


def test_no_character_is_harmless_to_one_test_and_not_to_the_other():
    for code in range(0x110000):
        character = chr(code)
        assert (plain(character, 20) != character) == bool(_UNSAFE.match(character)), hex(code)


@pytest.mark.parametrize("command", ["##[x", "##vso[x", "##teamcity[x"])
@pytest.mark.parametrize("limit", range(1, 16))
def test_a_command_that_begins_within_the_limit_is_not_cut_open(command, limit):
    shown = plain("abc" + command + "y" * 99, limit).partition("…")[0]
    whole = "abc#\\" + command[1:] + "y" * 99
    assert shown == whole[: len(shown)]
    # The backslash and what it is before stay together.
    assert len(shown) == limit - (limit == 4)
