"""Logs of inspect_ai, as the tool wrote them and damaged."""

import json
import zipfile

import pytest
from exported_run import LOGS, refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.errors import DataError
from lrmtest.models.engines.recorded.end_column import value_in
from lrmtest.runs.formats.inspect_log import read_inspect_log
from lrmtest.runs.formats.zip_file import ZipMembers


@pytest.fixture(scope="module")
def members(eval_file):
    """The log's files, by their names."""
    with ZipMembers(eval_file, "") as archive:
        return {name: json.loads(archive.read(name)) for name in archive.names}


def as_json(tmp_path, members, *samples):
    path = tmp_path / "log.json"
    path.write_text(json.dumps({**members["header.json"], "samples": samples}))
    return path


def sample(members, number=0, **changes):
    return {**members[f"samples/temporal-0-{number}_epoch_1.json"], **changes}


def only(path):
    (read,) = read_inspect_log(path).samples()
    return read


def test_a_real_log_is_read(eval_file):
    log = read_inspect_log(eval_file)
    assert (log.tool, log.version) == ("inspect_ai", "0.3.285")
    assert (log.task, log.model) == ("fresh_temporal_demo", "openai-api/standin/r1-stand-in")
    assert log.settings == {"temperature": 0.6, "top_p": 0.95, "seed": 7}
    assert log.max_tokens == 512
    samples = {sample.id: sample for sample in log.samples()}
    assert len(samples) == 12
    first = samples["temporal-0-0"]
    assert first.output.text.startswith("<think>\nFirst the sightings.")
    assert first.output.text.endswith("</think>\n\nThe answer is (D).")
    assert (first.output.finish_reason, first.output.prompt_tokens) == ("stop", 50)
    assert first.targets == ("D",)
    assert first.prompt[0][0] == "user"
    assert samples["temporal-0-6"].output.finish_reason == "length"
    assert [sample.passed for sample in samples.values()].count(True) == 7


def test_the_other_format_says_the_same(eval_file, members, tmp_path):
    samples = [content for name, content in members.items() if name.startswith("samples/")]
    zipped = read_inspect_log(eval_file)
    plain = read_inspect_log(as_json(tmp_path, members, *samples))
    assert plain.invocation == zipped.invocation

    def without_place(log):
        return [(each.id, each.asked, each.output, each.passed) for each in log.samples()]

    assert without_place(plain) == without_place(zipped)


def test_texts_that_were_moved_aside_are_found(members, tmp_path):
    content = [{"type": "text", "text": "attachment://abc"}]
    choice = {"message": {"role": "assistant", "content": content}, "stop_reason": "stop"}
    changed = sample(
        members, output={"choices": [choice]}, attachments={"abc": "the text"}, scores={}
    )
    read = only(as_json(tmp_path, members, changed))
    assert read.output.text == "the text"
    assert read.passed is None
    assert read.output.completion_tokens is None


def test_reasoning_that_was_cut_off_is_left_open(members, tmp_path):
    content = [{"type": "reasoning", "reasoning": "hm"}]
    choice = {"message": {"role": "assistant", "content": content}, "stop_reason": "max_tokens"}
    read = only(as_json(tmp_path, members, sample(members, output={"choices": [choice]})))
    assert read.output.text == "<think>\nhm"
    assert read.output.finish_reason == "length"


def test_other_tags(eval_file):
    log = read_inspect_log(eval_file, ("[THINK]", "[/THINK]"))
    text = next(log.samples()).output.text
    assert text.startswith("[THINK]\nFirst")
    assert "[/THINK]" in text


def test_what_was_not_generated_is_an_error_and_no_answer(members, tmp_path):
    failed = sample(members, error={"message": "broke", "traceback": ""})
    filtered = sample(
        members,
        output={"choices": [{"message": {"content": "I"}, "stop_reason": "content_filter"}]},
    )
    nothing = sample(members, output={"choices": []})
    reads = list(read_inspect_log(as_json(tmp_path, members, failed, filtered, nothing)).samples())
    assert [read.output for read in reads] == [None] * 3
    assert reads[0].error == "broke"
    assert "content filter" in reads[1].error


def test_an_interrupted_log_has_no_header(members, tmp_path):
    path = tmp_path / "interrupted.eval"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("_journal/start.json", "samples/temporal-0-0_epoch_1.json"):
            archive.writestr(name, json.dumps(members[name]))
    log = read_inspect_log(path)
    assert log.model == "openai-api/standin/r1-stand-in"
    assert len(list(log.samples())) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"PK\x03\x04 and no more", b"\xff", b"{"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x.eval"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.eval"):
        read_inspect_log(path)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_damaged_zip_is_an_error_for_people_or_read(eval_file, tmp_path, data):
    content = bytearray(eval_file.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "damaged.eval"
    path.write_bytes(content)
    error = refused(lambda: list(read_inspect_log(path).samples()))
    assert error is None or "damaged.eval" in error


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_damaged_sample_is_an_error_for_people_or_read(members, tmp_path, data):
    changed = sample(members)
    field = data.draw(st.sampled_from(sorted(changed)))
    changed[field] = data.draw(json_values)
    error = refused(lambda: list(read_inspect_log(as_json(tmp_path, members, changed)).samples()))
    assert error is None or "log.json" in error


REAL = sorted((LOGS / "inspect").glob("*.eval"))


def test_epochs_scorers_and_ends_of_a_real_log():
    log = read_inspect_log(REAL[0])
    samples = list(log.samples())
    assert len(samples) == 10
    assert len({sample.id for sample in samples}) == 5
    first = {sample.id: sample for sample in reversed(samples)}
    ends = {id_: sample.output and sample.output.finish_word for id_, sample in first.items()}
    assert ends == {
        "sum-0": "stop",
        "sum-1": "stop",
        "sum-2": "max_tokens",
        "sum-4": None,
        "sum-5": "unknown",
    }
    assert first["sum-2"].output.finish_reason == "length"
    assert first["sum-5"].output.finish_reason is None
    assert first["sum-0"].output.reasoning_tokens == 18
    # An empty target is in every answer: the scorer's C says nothing.
    assert (first["sum-0"].targets, first["sum-0"].passed) == ((), None)
    # Two scorers: the first that calls any answer right or wrong.
    assert {sample.mark for sample in samples} == {"includes"}
    marks = [sample.passed for sample in samples if sample.id == "sum-1"]
    assert sorted(marks) == [False, True]


def test_an_answer_beyond_the_token_limit_ran_out():
    (read,) = read_inspect_log(REAL[1]).samples()
    assert read.output.text == "The answer is \\boxed{19}."
    assert (read.output.finish_reason, read.output.finish_word) == ("length", "token limit")


@pytest.mark.parametrize("kind", ["message", "operator", "custom", "turn"])
def test_other_limits_leave_the_answers_own_end(members, tmp_path, kind):
    read = only(as_json(tmp_path, members, sample(members, limit={"type": kind, "limit": 1})))
    assert (read.output.finish_reason, read.output.finish_word) == ("stop", "stop")


@pytest.mark.parametrize("target", ["", [], None, [""], "  "])
def test_an_empty_target_is_none(members, tmp_path, target):
    assert only(as_json(tmp_path, members, sample(members, target=target))).targets == ()


def test_the_scorer_that_marks_is_the_same_in_the_whole_log(members, tmp_path):
    scores = [
        {"judge": {"value": {"clear": 1, "short": 0}}, "match": {"value": "C"}},
        {"judge": {"value": 1}, "match": {"value": "I"}},
        {"judge": {"value": 1}},
        {"match": {"value": "N"}},
        {"match": {"value": "P"}},
        {"match": {"value": float("nan")}},
        {},
    ]
    path = as_json(tmp_path, members, *(sample(members, scores=each) for each in scores))
    marks = [each.passed for each in read_inspect_log(path).samples()]
    assert marks == [True, False, None, False, None, None, None]


def test_earlier_releases_have_one_score_and_reasoning_beside_the_text(members, tmp_path):
    message = {"role": "assistant", "content": "attachment://b", "reasoning": "hm"}
    changed = sample(
        members,
        scores=None,
        score={"value": "C"},
        attachments={},
        transcript={"content": {"b": "It is so."}},
        output={"choices": [{"message": message, "stop_reason": "length"}]},
    )
    read = only(as_json(tmp_path, members, changed))
    assert read.output.text == "<think>\nhm\n</think>\n\nIt is so."
    assert (read.output.finish_reason, read.passed) == ("length", True)


def test_a_text_that_is_not_there_is_no_answer(members, tmp_path):
    choice = {"message": {"content": "attachment://gone"}, "stop_reason": "stop"}
    read = only(as_json(tmp_path, members, sample(members, output={"choices": [choice]})))
    assert (read.output, read.error) == (
        None,
        "its text was moved aside in the log, and is not there",
    )


def test_a_sample_marked_as_invalid_is_skipped(members, tmp_path):
    changed = sample(members, invalidation={"reason": "wrong prompt"})
    assert "invalid" in only(as_json(tmp_path, members, changed)).skipped


def test_a_run_that_did_not_end_well_is_told(members, tmp_path):
    path = tmp_path / "log.json"
    header = members["header.json"] | {"status": "cancelled"}
    path.write_text(json.dumps(header | {"samples": [sample(members)]}))
    (remark,) = read_inspect_log(path).remarks
    assert "cancelled" in remark
    assert "of 12 planned samples" in remark


@pytest.mark.parametrize("value", [10**299, -5, 1.5, True, "9", None])
def test_counts_that_cannot_be_are_unknown(members, tmp_path, value):
    output = members["samples/temporal-0-0_epoch_1.json"]["output"]
    changed = output | {"usage": {"output_tokens": value}, "time": value}
    read = only(as_json(tmp_path, members, sample(members, output=changed)))
    assert read.output.completion_tokens is None


def test_the_row_is_there_for_a_column_of_it(members, tmp_path):
    read = only(as_json(tmp_path, members, sample(members, metadata={"why": "max_tokens"})))
    assert value_in(read.row, "metadata.why", read.index) == "max_tokens"
    assert value_in(read.row, "output.choices.stop_reason", read.index) == "stop"
