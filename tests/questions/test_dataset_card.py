"""Cards of datasets: which files they say, and that no card does harm."""

import fnmatch
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import DataError
from lrmtest.questions.dataset_card import CARD_BYTES, CardFiles, files_told
from lrmtest.questions.dataset_files import Wanted, choose_files

CARD = """---
license: mit
dataset_info:
  - config_name: hard
configs:
- config_name: easy
  data_files:
  - split: test
    path: data/easy_*.jsonl
  - split: dev
    path:
    - dev/1.jsonl
    - ./dev/2.jsonl
- config_name: hard
  default: true
  data_dir: more
  data_files: "**/x?.csv"
---
# Sums
configs: none of these
"""
EASY = CardFiles("easy", "test", ("data/easy_*.jsonl",), is_default=False)
DEV = CardFiles("easy", "dev", ("dev/1.jsonl", "dev/2.jsonl"), is_default=False)
HARD = CardFiles("hard", "train", ("more/**/x?.csv",), is_default=True)
NAMES = (
    *("data/easy_a.jsonl", "data/easy_b.jsonl", "data/easy_c/d.jsonl", "dev/2.jsonl"),
    *("dev/1.jsonl", "more/x1.csv", "more/deep/er/x2.csv", "more/x10.csv", "README.md"),
)


def test_a_card_is_read_as_the_hub_reads_it():
    assert files_told(CARD.encode()) == (EASY, DEV, HARD)
    assert files_told(CARD.replace("\n", "\r\n").encode("utf-8-sig")) == (EASY, DEV, HARD)
    (only,) = files_told(b"---\nconfigs:\n- data_files: [a.csv, b.csv]\n---")
    assert only == CardFiles("default", "train", ("a.csv", "b.csv"), is_default=True)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted("easy", "test"), NAMES[:2]),
        (Wanted("easy", "dev"), ("dev/1.jsonl", "dev/2.jsonl")),
        (Wanted("hard"), ("more/deep/er/x2.csv", "more/x1.csv")),
        (Wanted(), ("more/deep/er/x2.csv", "more/x1.csv")),
        (Wanted(file="dev/2.jsonl"), ("dev/2.jsonl",)),
        # Of what the card does not say, names do.
        (Wanted("er"), ("more/deep/er/x2.csv",)),
    ],
)
def test_files_are_those_of_the_card(wanted, expected):
    assert choose_files(NAMES, wanted, place="a/b", told=files_told(CARD.encode())) == expected


def test_what_the_card_leaves_open_is_an_error_that_lists_it():
    told = (EASY, DEV)
    with pytest.raises(DataError, match="several files") as caught:
        choose_files(NAMES, Wanted("easy"), place="a/b", told=told)
    assert "its card has easy (test, dev)" in caught.value.hint
    with pytest.raises(DataError, match="no files of config 'esay'") as caught:
        choose_files(NAMES, Wanted("esay"), place="a/b", told=told)
    assert "its card has easy (test, dev)" in caught.value.hint


def test_a_part_that_is_missing_is_told():
    told = (CardFiles("default", "test", ("data/*",), is_default=True),)
    names = ["data/a-00000-of-00002.csv", "data/b.csv"]
    with pytest.raises(DataError, match="2 parts, 1 are there"):
        choose_files(names, Wanted(), place="a/b", told=told)
    names.insert(1, "data/a-00001-of-00002.csv")
    assert choose_files(names, Wanted(), place="a/b", told=told) == tuple(names)


@pytest.mark.parametrize(
    "card",
    [
        b"",
        b"# no front matter",
        b"---\nconfigs:\n- data_files: a.csv\n",  # never closed
        b"---\n" + b" " * CARD_BYTES + b"\nconfigs:\n- data_files: a.csv\n---\n",
        b"---\nconfigs: [" + b"[" * 100_000 + b"\n---\n",
        b"---\nconfigs: &a\n- data_files: *a\n---\n",
        b"---\nconfigs: {config_name: x}\n---\n",
        b"---\nconfigs:\n- data_files:\n  - split: test\n    path: {a: b}\n---\n",
        b"---\nconfigs:\n- !!python/object/apply:os.system [ls]\n---\n",
        b"---\nconfigs:\n- data_files: " + b"a" * 501 + b"\n---\n",
        b"---\nconfigs: \x00\xff\n---\n",
    ],
)
def test_a_card_that_says_nothing_of_files_says_nothing(card):
    assert files_told(card) == ()


@given(st.one_of(st.binary(), st.text(alphabet="ab:-[]{}&*!<>|'\" \n").map(str.encode)))
def test_any_card_is_read(front):
    for one in files_told(b"---\nconfigs:\n- data_files: " + front + b"\n---\n"):
        one.files(NAMES)


PARTS = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)


@given(name=PARTS, pattern=st.lists(st.text("ab*?", min_size=1, max_size=3), max_size=4))
def test_a_pattern_is_matched_folder_by_folder(name, pattern):
    def fits(parts, wanted):
        if not wanted:
            return not parts
        if wanted[0] == "**":
            return fits(parts, wanted[1:]) or (bool(parts) and fits(parts[1:], wanted))
        return (
            bool(parts) and fnmatch.fnmatchcase(parts[0], wanted[0]) and fits(parts[1:], wanted[1:])
        )

    told = CardFiles("c", "s", ("/".join(pattern),), is_default=True)
    assert bool(told.files([name])) == fits(name.split("/"), pattern or [""])


def test_long_patterns_take_no_time():
    name = "/".join(string.ascii_lowercase * 10)
    pattern = "**/*a*" * 80
    assert CardFiles("c", "s", (pattern,), is_default=True).files([name, "x"]) == ()
