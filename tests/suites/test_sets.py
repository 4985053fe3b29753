"""Named sets: the data file's reader, what a set asks, and how a manifest tells it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import UsageError
from lrmtest.runs.manifest import Manifest, NamedSetSection
from lrmtest.suites.registry import ALIASES, known_suite
from lrmtest.suites.sets import NamedSet, SetPart, load_sets, read_sets, seen_suites, set_named

IDS = st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=60)


def one(table):
    """The set of a table, as a project's own."""
    return read_sets({"mine": table}, "pyproject.toml")["mine"]


def test_the_packaged_sets():
    sets = load_sets()
    assert [*sets] == ["paper", "math", "aime-120", "quick"]
    assert sets["paper"].suites == ("aime", "folio", "temporal", "musique")
    assert all(part.share >= 1 and not part.questions for part in sets["paper"].parts)
    for each in sets.values():
        assert each.title
        assert each.why
        assert not each.title.endswith(".")
        assert not each.file


@pytest.mark.parametrize("name", ["paper", "math", "aime-120", "quick"])
def test_their_suites_are_there(name):
    assert all(known_suite(suite) for suite in load_sets()[name].suites)


def test_a_baseline_of_the_paper_serves_the_quick_set():
    # No budget and no number of samples of its own: the settings are those of the suites.
    for part in load_sets()["quick"].parts:
        assert (part.max_tokens, part.samples) == (None, None)
        assert part.suite in load_sets()["paper"].suites


def test_seen_suites_have_sensible_figures():
    for seen in seen_suites().values():
        assert seen.tokens > 0
        assert 0 <= seen.rate <= 1


def test_a_projects_sets_go_over_the_packages(tmp_path):
    file = tmp_path / "pyproject.toml"
    file.write_text(
        '[tool.lrmtest.sets.quick]\nsuites = ["fresh-hops"]\n'
        "[tool.lrmtest.sets.mine.suites.aime-2024]\n"
        'questions = ["2024-I-1"]\nmax_tokens = 100\nsamples = 4\n'
    )
    sets = load_sets(file)
    assert sets["quick"].suites == ("fresh-hops",)
    assert sets["quick"].file == str(file)
    assert sets["mine"].parts == (SetPart("aime", ("2024-I-1",), 1.0, 100, 4),)
    assert "paper" in sets
    assert load_sets(tmp_path / "none.toml").keys() == load_sets().keys()


def test_a_file_without_sets_has_none_of_its_own(tmp_path):
    file = tmp_path / "pyproject.toml"
    for text in ("", "[tool]\n", "[tool.lrmtest]\n", "tool = 3\n"):
        file.write_text(text)
        assert load_sets(file).keys() == load_sets().keys()


def test_an_unknown_set_names_what_there_is():
    with pytest.raises(UsageError, match="there is no set 'qick'") as error:
        set_named("qick", load_sets())
    assert error.value.hint == "did you mean quick?"
    with pytest.raises(UsageError) as error:
        set_named("zzz", load_sets())
    assert "there are paper, math, aime-120, quick" in error.value.hint


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (3, "expected a table"),
        ({}, "suites: expected a list of names or a table, got None"),
        ({"suites": []}, "suites: there is none"),
        ({"suites": {}}, "suites: there is none"),
        ({"suites": "aime"}, "expected a list of names"),
        ({"suites": ["aime", 3]}, "expected a list of names"),
        ({"suites": ["aime"], "titel": "x"}, "unknown key 'titel'"),
        ({"suites": ["aime"], "title": 3}, "title: expected a line"),
        ({"suites": ["aime"], "why": "a\nb"}, "why: expected a line"),
        ({"suites": ["aime"], "title": "\x1b[31m"}, "title: expected a line"),
        ({"suites": ["aime", "aime"]}, "suite aime is there twice"),
        ({"suites": ["aime", "aime-2024"]}, "suite aime is there twice"),
        ({"suites": [" "]}, "no suite's name"),
        ({"suites": {"aime": 3}}, "expected a table, got 3"),
        ({"suites": {"aime": {"id": ["1"]}}}, "unknown key 'id'"),
        ({"suites": {"aime": {"questions": []}}}, "questions: expected a list of ids"),
        ({"suites": {"folio": {"questions": [1]}}}, "questions: expected a list of ids"),
        ({"suites": {"folio": {"questions": ["1", "1"]}}}, "twice the same: 1"),
        ({"suites": {"folio": {"questions": ["1"], "share": 0.5}}}, "questions and share"),
        ({"suites": {"folio": {"share": 0}}}, "share: expected a number above 0"),
        ({"suites": {"folio": {"share": 1.5}}}, "share: expected a number above 0"),
        ({"suites": {"folio": {"share": float("nan")}}}, "share: expected"),
        ({"suites": {"folio": {"share": True}}}, "share: expected"),
        ({"suites": {"folio": {"max_tokens": 0}}}, "max_tokens: expected an integer"),
        ({"suites": {"folio": {"max_tokens": 10**6000}}}, "a number of many digits"),
        ({"suites": {"folio": {"samples": 1.0}}}, "samples: expected an integer"),
        ({"suites": {"folio": {"samples": True}}}, "samples: expected an integer"),
    ],
)
def test_mistakes_are_named_with_their_place(table, said):
    with pytest.raises(UsageError) as error:
        one(table)
    assert said in str(error.value)
    assert error.value.message.startswith("pyproject.toml: set 'mine'")


@pytest.mark.parametrize("name", ["", "-x", "a b", "a" * 61, "a\n", "ä"])
def test_names_that_cannot_be_typed_are_refused(name):
    with pytest.raises(UsageError, match="not usable as a name"):
        read_sets({name: {"suites": ["aime"]}}, "")


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.none().map(lambda _: 10**5000),
    st.floats(),
    st.text(max_size=20),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["title", "why", "suites", "questions", "share", "aime", "samples"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_value_is_sets_or_a_message(value):
    said = ""
    try:
        found = read_sets(value, "somewhere.toml")
    except UsageError as error:
        found, said = {}, error.message
    assert said.isprintable()
    assert not said or said.startswith("somewhere.toml: ")
    for name, each in found.items():
        assert each.name == name
        assert each.parts


TABLES = st.dictionaries(
    st.sampled_from(["aime", "folio", "temporal", "mine", "fresh-hops"]),
    st.fixed_dictionaries(
        {},
        optional={
            "max_tokens": st.integers(1, 10**9),
            "samples": st.integers(1, 10_000),
        },
    ).flatmap(
        lambda table: st.one_of(
            st.just(table),
            st.floats(0, 1, exclude_min=True).map(lambda share: {**table, "share": share}),
            st.lists(
                st.text(string.ascii_letters + string.digits + "-_ é", min_size=1, max_size=8),
                min_size=1,
                max_size=5,
                unique=True,
            ).map(lambda ids: {**table, "questions": ids}),
        )
    ),
    min_size=1,
)


@given(TABLES)
def test_what_is_written_is_read_and_told_by_a_manifest(suites):
    asked = one({"title": "T", "why": "W", "suites": suites})
    assert asked.suites == tuple(ALIASES.get(name, name) for name in suites)
    for part, table in zip(asked.parts, suites.values(), strict=True):
        assert part.questions == tuple(table.get("questions", ()))
        assert part.share == table.get("share", 1.0)
        assert (part.max_tokens, part.samples) == (table.get("max_tokens"), table.get("samples"))
    told = Manifest(named_set=NamedSetSection.of(asked)).to_json()
    again = Manifest.from_json(told).named_set.asked
    assert again == NamedSet("mine", "", "", asked.parts)


def test_a_manifest_without_a_set_tells_none():
    assert "named_set" not in Manifest().to_json()
    assert Manifest().named_set.asked is None
    for told in (None, 3, {"name": 3}, {"name": "x"}, {"name": "x", "suites": {"a": 3}}):
        Manifest.from_json({"suites": {}, "named_set": told})


@given(IDS, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_share_is_of_each_questions_own_and_grows(ids, share, other):
    small, large = sorted((share, other))
    part = SetPart("folio", share=small)
    few, many = part.among(ids), SetPart("folio", share=large).among(ids)
    assert {*few} <= {*many} <= {*ids}
    # Whether a question is in depends on nothing but itself.
    assert few == tuple(each for each in ids if part.among([each]))
    assert [each for each in reversed(ids) if each in {*few}] == list(part.among(reversed(ids)))


def test_a_share_is_about_as_large_as_it_says_and_another_of_each_suite():
    ids = [str(number) for number in range(10_000)]
    for share in (0.1, 0.5, 0.9):
        found = {suite: {*SetPart(suite, share=share).among(ids)} for suite in ("folio", "aime")}
        for chosen in found.values():
            assert abs(len(chosen) / 10_000 - share) < 0.02
        assert found["folio"] != found["aime"]


def test_the_quick_sets_questions_are_these():
    # A change of the draw would be another set under the same name.
    part = load_sets()["quick"].part("temporal")
    assert part.among(str(number) for number in range(12)) == ("0", "1", "3", "6", "8", "9")


@given(IDS)
def test_a_whole_suite_has_all_of_its_questions(ids):
    assert SetPart("folio").among(ids) == tuple(ids)


def test_questions_that_are_not_in_the_data_are_named():
    part = SetPart("folio", ("1", "v2-1", "9"))
    assert part.chosen(["1", "9", "v2-1", "x"]) == ("1", "9", "v2-1")
    with pytest.raises(UsageError, match="2 of the 3 questions named are not in the data: v2-1, 9"):
        part.chosen(["1", "2"])
    with pytest.raises(UsageError, match="has none"):
        SetPart("folio", share=1e-9).chosen(["1", "2"])


def test_a_sets_part_of_mixed_questions():
    asked = one({"suites": {"folio": {"questions": ["1", "3"]}, "aime": {}}})
    keys = [("aime", "a"), ("folio", "1"), ("folio", "2"), ("other", "1"), ("folio", "3")]
    assert asked.among(keys) == [("folio", "1"), ("folio", "3"), ("aime", "a")]
    assert asked.part("other") is None
