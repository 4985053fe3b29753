"""What holds for every family: seeds, ids, difficulty, no two alike, the suites."""

import subprocess
import sys

import pytest
from drawn import asked
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import UsageError
from lrmtest.questions import DataOptions
from lrmtest.questions.fresh import DIFFICULTIES, FAMILIES, VERSION, Draft, fresh_question
from lrmtest.suites import suite_named

seeds = st.integers(0, 2**63)
families = st.sampled_from(list(FAMILIES))
difficulties = st.sampled_from(list(DIFFICULTIES))

# A change here changes what baselines were measured on: raise fresh.VERSION with it.
GOLDEN = {
    ("temporal", 1): "f483be8f4eaec7e84fa3ffd1777160203e67d6907be8e1ca2af3be59edf567c1",
    ("temporal", 3): "1259f0fe50dfc1e494c11c8cb3d33ace4ddd32a2b0b5d22416eab84995feac04",
    ("temporal", 5): "abe1a81b2b78fdfc52df9965a201b6a780a3e8a29a88668bc7d63533654752f8",
    ("arithmetic", 1): "4f6c333dfad1acfcf11006411e39bcde66f8c271d73f36f5a7652f817b02d6b9",
    ("arithmetic", 3): "a8d134fa2c7fe624eec124201581be63233af1380d3af663dfb9daf13958ed48",
    ("arithmetic", 5): "a707cdf15bfc0c3af1ad7a4e18168f8d1438a3a39aa602e0845d3f2a91df8878",
    ("logic", 1): "835272e7d88285ff8ac62824172df2f4eb6926a26cd6b0fd1d441ab7b7949cec",
    ("logic", 3): "d15d62d922beff519b3958cd267c492954be0453c153d00d92016e24658c2f31",
    ("logic", 5): "6ec32adf0b86a0d862d0291a1bf9072821c710d041c6a598fcc86eee381495d8",
    ("hops", 1): "f02b0accbdf31d1377270f8e99dd113e611a06d00691a1023526407160911b8e",
    ("hops", 3): "7ae9e09c46f8436ed7732b7991e01be21bfccb94867db1a273611c5de14d44f1",
    ("hops", 5): "5081969c0ed88348a4a735cfc22aeb434ed08e7cd6da08855cd9abc259440450",
}


@given(families, seeds, seeds, difficulties)
def test_seed_index_and_difficulty_make_the_question(family, seed, index, difficulty):
    question = fresh_question(family, seed, index, difficulty)
    assert question.digest == fresh_question(family, seed, index, difficulty).digest
    assert question.material != fresh_question(family, seed, index + 1, difficulty).material
    assert question.material != fresh_question(family, seed + 1, index, difficulty).material
    level = "" if difficulty == 1 else f"-d{difficulty}"
    assert question.id == f"{family}{level}-{seed}-{index}"
    assert question.suite == f"fresh-{family}"


@given(st.sampled_from(list(FAMILIES)).flatmap(asked))
def test_a_family_takes_its_draws_from_anywhere(case):
    prompt, question, _ = case
    assert len(prompt) > 100
    assert question.references == (question.expected,)


def test_the_questions_of_this_version_never_change():
    assert VERSION == "1"
    assert {key: fresh_question(key[0], 0, 17, key[1]).digest for key in GOLDEN} == GOLDEN


def test_other_processes_make_the_same_questions():
    code = (
        "from lrmtest.questions.fresh import *; "
        f"print({{k: fresh_question(k[0], 0, 17, k[1]).digest for k in {list(GOLDEN)}}})"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == str(GOLDEN)


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_suite_has_as_many_as_asked_for_and_no_two_alike(family, difficulty):
    options = DataOptions(fresh_count=1000, fresh_seed=5, fresh_difficulty=difficulty)
    loaded = suite_named(f"fresh-{family}").load(options)
    assert [q.digest for q in loaded.questions[:50]] == [
        fresh_question(family, 5, index, difficulty).digest for index in range(50)
    ]
    assert len({repr(q.material) for q in loaded.questions}) == 1000
    assert {q.suite for q in loaded.questions} == {f"fresh-{family}"}
    source = loaded.source
    assert (source.kind, source.name) == ("generated", f"fresh-{family}")
    assert source.revision == f"{VERSION}, difficulty {difficulty}"


def test_a_question_that_comes_twice_is_made_again(monkeypatch):
    def two_sided(draw, difficulty):
        return Draft({"side": draw.below(2)}, ("x",), "integer")

    monkeypatch.setitem(FAMILIES, "arithmetic", two_sided)
    loaded = suite_named("fresh-arithmetic").load(DataOptions(fresh_count=2))
    assert sorted(q.material["side"] for q in loaded.questions) == [0, 1]
    assert [q.id for q in loaded.questions] == ["arithmetic-0-0", "arithmetic-0-1"]


@pytest.mark.parametrize(
    "options",
    [
        DataOptions(fresh_count=0),
        DataOptions(fresh_seed=-1),
        DataOptions(fresh_difficulty=0),
        DataOptions(fresh_difficulty=6),
    ],
)
def test_what_cannot_be_made_is_refused(options):
    with pytest.raises(UsageError):
        suite_named("fresh-temporal").load(options)


def test_more_questions_than_there_are_is_refused(monkeypatch):
    def always_the_same(draw, difficulty):
        draw.below(2)
        return Draft({"problem": "?"}, ("1",), "integer")

    monkeypatch.setitem(FAMILIES, "arithmetic", always_the_same)
    with pytest.raises(UsageError, match="there are not 2 different questions"):
        suite_named("fresh-arithmetic").load(DataOptions(fresh_count=2))
