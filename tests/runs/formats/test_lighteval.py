"""Details of lighteval, as the tool wrote them, in the layouts of earlier releases, and damaged."""

from unittest.mock import patch

import pytest
from deadly_parquet import deadly_parquet
from exported_run import LOGS, refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.errors import DataError, UsageError
from lrmtest.models.engines.recorded.end_column import value_in
from lrmtest.questions.rows import parse_rows
from lrmtest.runs.formats.detect import detect_format
from lrmtest.runs.formats.lighteval import read_lighteval_log

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

TAGS = ("<think>", "</think>")
DETAILS = LOGS / "lighteval" / "details"


def real(task):
    (path,) = DETAILS.rglob(f"details_{task}|0_*.parquet")
    return path


def rows_of(path):
    return parquet.read_table(path).to_pylist()


def written(tmp_path, rows, name="details_sums|0_2026-01-02T03-04-05.678.parquet"):
    path = tmp_path / name
    parquet.write_table(arrow.Table.from_pylist(rows), path)
    return path


def read(path):
    return list(read_lighteval_log(path, TAGS).samples())


def test_real_details_are_read():
    log = read_lighteval_log(real("sums"), TAGS)
    assert (log.tool, log.task, log.model) == ("lighteval", "sums", "openai/stand-in")
    assert log.settings == {"temperature": 0.6, "top_p": 0.95, "seed": 7}
    assert (log.max_tokens, log.created) == (512, "2026-11-28T10:03:46")
    samples = {sample.id: sample for sample in log.samples()}
    assert len(samples) == 7
    first = samples["0"]
    assert first.output.text == (
        "<think>\nFirst 10, then 7: 10 plus 7.\n</think>\n\nThe answer is \\boxed{17}."
    )
    assert (first.targets, first.options) == (("17",), ())
    assert (first.passed, first.mark) == (True, "extractive_match")
    assert first.prompt[0] == ("user", first.asked)
    assert "sum-0" in first.names
    assert samples["2"].output.text.startswith("<think>")
    assert samples["3"].passed is False


def test_a_share_of_several_samples_marks_them_at_its_ends_only():
    samples = read(real("sums_twice"))
    assert len(samples) == 14
    marks = {}
    for sample in samples:
        marks.setdefault(sample.id, []).append(sample.passed)
    # Of two different answers at 11 one is right.
    assert marks["1"] == [None, None]
    assert marks["0"] == [True, True]
    assert marks["3"] == [False, False]


def test_the_names_with_underscores_say_the_same(tmp_path):
    rows = [{f"__{name}__": value for name, value in row.items()} for row in rows_of(real("sums"))]

    def said(samples):
        return [(each.id, each.output, each.passed, each.targets) for each in samples]

    assert said(read(written(tmp_path, rows))) == said(read(real("sums")))


OLDER = {
    "example": "How much is 1 plus 1?",
    "instruction": "",
    "full_prompt": "Be brief. How much is 1 plus 1?",
    "num_effective_few_shots": 0,
    "predictions": ["It is 2.", "It is 3."],
    "input_tokens": [[1, 2, 3]],
    "cont_tokens": [[[4, 5], [4, 5, 6]]],
    "gold": ["2"],
    "choices": [],
    "gold_index": [],
    "metrics": {"avg@n": 0.5},
    "specifics": None,
}


def test_columns_of_releases_before_0_9(tmp_path):
    for row in (
        OLDER,
        OLDER | {"predictions": [["It is 2.", "It is 3."]]},
        {name: str(value) for name, value in OLDER.items()},
    ):
        samples = read(written(tmp_path, [row]))
        assert [sample.output.text for sample in samples] == ["It is 2.", "It is 3."]
        assert {sample.targets for sample in samples} == {("2",)}
        assert {sample.asked for sample in samples} == {"How much is 1 plus 1?"}
        assert samples[0].prompt == (("user", "Be brief. How much is 1 plus 1?"),)
        assert [sample.output.completion_tokens for sample in samples] == [2, 3]
        assert [sample.output.prompt_tokens for sample in samples] == [3, 3]
        assert {sample.passed for sample in samples} == {None}


def test_likelihoods_are_no_completions(tmp_path):
    row = rows_of(real("sums"))[0]
    row["model_response"] |= {"text": [], "logprobs": [-1.5, -2.5]}
    with pytest.raises(UsageError, match="row 1: this task compares likelihoods"):
        read_lighteval_log(written(tmp_path, [row]), TAGS)
    older = OLDER | {"predictions": [-1.5, -2.5], "choices": ["a", "b"], "gold_index": [0]}
    with pytest.raises(UsageError, match="likelihoods"):
        read_lighteval_log(written(tmp_path, [older]), TAGS)


def test_what_failed_is_no_answer(tmp_path):
    row = rows_of(real("sums"))[0]
    row["model_response"] |= {"text": [""], "reasonings": [None]}
    (sample,) = read(written(tmp_path, [row]))
    assert (sample.output, sample.passed) == (None, None)
    assert sample.error


def test_a_question_with_choices(tmp_path):
    row = rows_of(real("sums"))[0]
    row["doc"] |= {"choices": ["red", "blue"], "gold_index": 1}
    (sample,) = read(written(tmp_path, [row]))
    assert (sample.options, sample.targets) == (("red", "blue"), ("blue",))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    other = written(tmp_path, [{"a": 1}], "other.parquet")
    for path in (tmp_path / "x.parquet", other, tmp_path / "missing.parquet"):
        with pytest.raises(DataError, match=path.name):
            read_lighteval_log(path, TAGS)


def test_a_small_file_with_very_many_texts_is_refused(tmp_path):
    many = ["x"] * 6_000_000
    texts = arrow.table({"predictions": [many, many], "full_prompt": ["a", "b"]})
    path = tmp_path / "bomb.parquet"
    parquet.write_table(texts, path)
    assert path.stat().st_size < 2_000_000
    with pytest.raises(DataError, match="12,000,000 texts in one column"):
        read_lighteval_log(path, TAGS)


def test_a_file_that_ends_its_reader_does_not_end_this_process(tmp_path):
    damaged = deadly_parquet()
    file = tmp_path / "details.parquet"
    file.write_bytes(damaged)
    for read in (
        lambda: read_lighteval_log(file, ()),
        lambda: detect_format(file),
        lambda: parse_rows(damaged, "q.parquet", hint="take another"),
    ):
        with pytest.raises(DataError, match="reads it dies of it: Definition level histogram"):
            read()


def test_without_pyarrow_its_package_is_named(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("lrmtest.runs.formats.lighteval.import_module", missing)
    with pytest.raises(UsageError, match="pyarrow is needed"):
        read_lighteval_log(real("sums"), TAGS)


@given(st.data())
@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_a_damaged_file_is_an_error_for_people_or_read(tmp_path, data):
    content = bytearray(real("sums").read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "damaged.parquet"
    path.write_bytes(content)
    error = refused(lambda: read(path))
    assert error is None or "damaged.parquet" in error


values = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=8)
columns = st.sampled_from(sorted(OLDER))


@given(st.dictionaries(columns, values | st.lists(values.filter(lambda v: v is None)), min_size=1))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_columns_of_other_types_are_an_error_for_people_or_read(tmp_path, changes):
    path = written(tmp_path, [OLDER | changes])
    with patch("lrmtest.runs.formats.lighteval.try_parquet"):  # the file itself is sound
        error = refused(lambda: read(path))
    assert error is None or path.name in error


@pytest.mark.parametrize("layout", ["newer", "older", "older, as text"])
def test_a_column_beside_those_of_the_tool_is_read_where_it_is_named(tmp_path, layout):
    rows = rows_of(real("sums"))[:1] if layout == "newer" else [OLDER]
    ends = ["MAX_TOKENS", "eos"][: 1 if layout == "newer" else 2]
    row = rows[0] | {"why": ends if layout != "older, as text" else str(ends), "meta": {"x.y": 1}}
    path = written(tmp_path, [row])
    samples = list(read_lighteval_log(path, TAGS, "why").samples())
    assert [value_in(each.row, "why", each.index) for each in samples] == ends
    nested = list(read_lighteval_log(path, TAGS, "meta.x.y").samples())
    assert value_in(nested[0].row, "meta.x.y") == 1
    assert value_in(read(path)[0].row, "why") is None
    # What every log has, is there by its names of today.
    inside = list(read_lighteval_log(path, TAGS, "model_response.text").samples())
    assert (
        value_in(inside[0].row, "model_response.text")
        == samples[0].row["model_response"]["text"][0]
    )
