"""Logs of inspect_ai, as the tool wrote them and damaged."""

import json
import zipfile

import pytest
from exported_run import refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.errors import DataError
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
