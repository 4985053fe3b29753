"""Outputs of evalscope, as the tool wrote them, in the layout of earlier releases, and damaged."""

import json
import shutil

import pytest
from exported_run import LOGS, refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.errors import DataError
from lrmtest.runs.formats.evalscope import read_evalscope_log

TAGS = ("<think>", "</think>")
OUTPUTS = LOGS / "evalscope" / "20261128_094759"
NAME = "stand-in/aime24_default.jsonl"


@pytest.fixture
def outputs(tmp_path):
    """A copy of the real outputs."""
    return shutil.copytree(OUTPUTS, tmp_path / "outputs" / "20261128_094759")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def said(log):
    return [(each.id, each.output, each.passed, each.targets) for each in log.samples()]


def test_real_outputs_are_read():
    log = read_evalscope_log(OUTPUTS / "predictions" / NAME, TAGS)
    assert (log.tool, log.version) == ("evalscope", "1.14.1")
    assert (log.task, log.model, log.max_tokens) == ("aime24", "stand-in", 512)
    assert log.settings == {"temperature": 0.6, "top_p": 0.95, "seed": 7}
    assert log.created == "2026-11-28T09:47:59"
    samples = list(log.samples())
    # Two samples of each of five questions.
    assert [sample.id for sample in samples] == list("0011224466")
    first, _, right, wrong, cut, _, filtered, _, unknown, _ = samples
    assert first.output.text.startswith("<think>\nFirst 10, then 7")
    assert first.output.text.endswith("</think>\n\nThe answer is \\boxed{17}.")
    assert (first.output.prompt_tokens, first.output.completion_tokens) == (42, 18)
    assert (first.output.finish_reason, first.output.finish_word) == ("stop", "stop")
    assert first.targets == ("17",)
    assert first.prompt[0][0] == "user"
    assert ((right.passed, right.mark), wrong.passed) == ((True, "acc"), False)
    assert (cut.output.finish_reason, cut.output.finish_word) == ("length", "max_tokens")
    assert (filtered.output, filtered.passed) == (None, None)
    assert "content filter" in filtered.error
    assert (unknown.output.finish_reason, unknown.output.finish_word) == (None, "unknown")


def test_reviews_lead_to_their_predictions():
    by_reviews = read_evalscope_log(OUTPUTS / "reviews" / NAME, TAGS)
    by_predictions = read_evalscope_log(OUTPUTS / "predictions" / NAME, TAGS)
    assert said(by_reviews) == said(by_predictions)
    assert by_reviews.sha256 == by_predictions.sha256


def test_reviews_alone_have_no_outputs(tmp_path):
    path = shutil.copy(OUTPUTS / "reviews" / NAME, tmp_path / "reviews.jsonl")
    with pytest.raises(DataError, match=r"reviews\.jsonl.*without the predictions"):
        read_evalscope_log(tmp_path / path.name, TAGS)


def test_predictions_alone_are_neither_right_nor_wrong(outputs):
    shutil.rmtree(outputs / "reviews")
    log = read_evalscope_log(outputs / "predictions" / NAME, TAGS)
    assert {sample.passed for sample in log.samples()} == {None}
    assert log.remarks


def test_a_sample_generated_again_counts_once(outputs):
    path = outputs / "predictions" / NAME
    rows = lines(path)
    rows[0]["model_output"]["choices"][0]["message"]["content"] = "an earlier try"
    write(path, [rows[0], *lines(path)])
    log = read_evalscope_log(path, TAGS)
    assert said(log) == said(read_evalscope_log(OUTPUTS / "predictions" / NAME, TAGS))


def test_a_score_that_could_not_be_had_is_no_mark(outputs):
    path = outputs / "reviews" / NAME
    rows = lines(path)
    rows[0]["sample_score"]["score"] |= {"status": "excluded", "value": {"acc": 0.0}}
    rows[1]["sample_score"]["score"]["value"] = {"Rouge-L-R": 1.0}
    write(path, rows)
    samples = list(read_evalscope_log(outputs / "predictions" / NAME, TAGS).samples())
    assert [sample.passed for sample in samples[:3]] == [None, None, True]


OLDER = {
    "index": 0,
    "answer_id": "answer-1",
    "model": "m",
    "created": 1700000000,
    "raw_input": {"question": "How much is 1 plus 1?", "answer": "2"},
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "It is 2.", "reasoning_content": "Hm."},
            "review": {"gold": "2", "pred": "2", "result": True},
        },
        {
            "index": 1,
            "finish_reason": "length",
            "message": {"role": "assistant", "content": "It is", "reasoning_content": None},
            "review": {"gold": "2", "pred": "", "result": {"AveragePass@1": 0}},
        },
    ],
}


def without_review(row):
    choices = [
        {name: value for name, value in choice.items() if name != "review"}
        for choice in row["choices"]
    ]
    return row | {"choices": choices}


@pytest.mark.parametrize("given_file", ["predictions", "reviews"])
def test_outputs_of_releases_before_1_0(tmp_path, given_file):
    write(tmp_path / "predictions" / "m" / "sums_main.jsonl", [without_review(OLDER)])
    write(tmp_path / "reviews" / "m" / "sums_main.jsonl", [OLDER])
    log = read_evalscope_log(tmp_path / given_file / "m" / "sums_main.jsonl", TAGS)
    assert (log.model, log.created) == ("m", "2023-11-14T22:13:20+00:00")
    first, second = log.samples()
    assert first.output.text == "<think>\nHm.\n</think>\n\nIt is 2."
    assert (first.passed, second.passed) == (True, False)
    assert (first.output.finish_reason, second.output.finish_reason) == ("stop", "length")
    assert first.targets == ("2",)
    assert "How much is 1 plus 1?" in first.asked
    # Old reviews hold the outputs as well.
    shutil.rmtree(tmp_path / "predictions")
    log = read_evalscope_log(tmp_path / "reviews" / "m" / "sums_main.jsonl", TAGS)
    assert [sample.passed for sample in log.samples()] == [True, False]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_row_is_an_error_for_people_or_read(tmp_path, data):
    folder = data.draw(st.sampled_from(["predictions", "reviews"]))
    newer = data.draw(st.booleans())
    for each in ("predictions", "reviews"):
        row = lines(OUTPUTS / each / NAME)[0] if newer else json.loads(json.dumps(OLDER))
        if each == folder:
            part = row
            while True:
                field = data.draw(st.sampled_from(sorted(part)))
                if not isinstance(part[field], dict) or not part[field] or data.draw(st.booleans()):
                    break
                part = part[field]
            part[field] = data.draw(json_values)
        write(tmp_path / each / "m" / "d.jsonl", [row])
    error = refused(
        lambda: list(read_evalscope_log(tmp_path / "predictions" / "m" / "d.jsonl", TAGS).samples())
    )
    assert error is None or "d.jsonl" in error


@given(st.text(max_size=300) | st.text(alphabet=" :generation_config\n'tmax.0e9", max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_configuration_is_read(tmp_path, text):
    write(tmp_path / "predictions" / "m" / "d.jsonl", [OLDER])
    config = tmp_path / "configs" / "task_config.yaml"
    config.parent.mkdir(exist_ok=True)
    config.write_text("generation_config:\n  temperature: 0.5\n" + text, encoding="utf-8")
    assert read_evalscope_log(tmp_path / "predictions" / "m" / "d.jsonl", TAGS).settings
