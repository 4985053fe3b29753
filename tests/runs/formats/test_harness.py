"""Logs of lm-evaluation-harness, as the tool wrote them and damaged."""

import json

import pytest
from exported_run import refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.errors import DataError, UsageError
from lrmtest.runs.formats.harness import read_harness_log


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(tmp_path, content, name="samples_demo_2026-01-02T03-04-05.678.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(line) + "\n" for line in content))
    return path


def test_a_real_log_is_read(harness_file):
    log = read_harness_log(harness_file)
    assert (log.tool, log.version) == ("lm-evaluation-harness", "0.4.13")
    assert (log.task, log.model) == ("fresh_temporal_demo", "r1-stand-in")
    assert log.settings == {"temperature": 0.6, "top_p": 0.95}
    assert log.max_tokens == 512
    assert log.created.startswith("2026-11-24T23:35")
    samples = list(log.samples())
    # Two filters, so two lines for each document.
    assert len(lines(harness_file)) == 24
    assert [sample.id for sample in samples] == [str(number) for number in range(12)]
    assert samples[0].output.text.startswith("<think>\nFirst the sightings.")
    assert samples[0].prompt[0][0] == "user"
    assert samples[0].targets == ("(D)",)
    assert [sample.passed for sample in samples].count(True) == 7


def test_without_its_results_file_the_folder_names_the_model(harness_file, tmp_path):
    folder = tmp_path / "my-model"
    folder.mkdir()
    log = read_harness_log(written(folder, lines(harness_file)))
    assert (log.model, log.version) == ("my-model", "")
    assert log.created == "2026-01-02T03:04:05"


def test_repeats_are_samples(harness_file, tmp_path):
    line = lines(harness_file)[0]
    line["resps"] = [["one", "two", None]]
    samples = list(read_harness_log(written(tmp_path, [line])).samples())
    assert [sample.output and sample.output.text for sample in samples] == ["one", "two", None]
    assert samples[2].error


def test_arguments_as_earlier_releases_wrote_them(harness_file, tmp_path):
    line = lines(harness_file)[0]
    line["arguments"] = [["the prompt", {"max_gen_toks": 99, "do_sample": False}]]
    log = read_harness_log(written(tmp_path, [line]))
    assert (log.max_tokens, log.settings) == (99, {"temperature": 0})
    assert next(log.samples()).prompt == (("user", "the prompt"),)


def test_likelihoods_are_no_completions(harness_file, tmp_path):
    line = lines(harness_file)[0]
    line["resps"] = [[["-1.5", "False"]], [["-2.5", "False"]]]
    with pytest.raises(UsageError, match="likelihoods"):
        read_harness_log(written(tmp_path, [line]))


@pytest.mark.parametrize("content", ["", "not json\n", "[]\n", '{"doc_id": 1}\n', "\xff\n"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "samples_x.jsonl"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=r"samples_x\.jsonl"):
        list(read_harness_log(path).samples())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_damaged_line_is_an_error_for_people_or_read(harness_file, tmp_path, data):
    line = lines(harness_file)[0]
    field = data.draw(st.sampled_from(sorted(line)))
    line[field] = data.draw(json_values)
    path = written(tmp_path, [line])
    error = refused(lambda: list(read_harness_log(path).samples()))
    assert error is None or path.name in error
