"""Logs of lm-evaluation-harness, as the tool wrote them and damaged."""

import gzip
import json

import pytest
from exported_run import LOGS, refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.errors import DataError, UsageError
from lrmtest.runs.formats.harness import read_harness_log, read_harness_results


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


SUMS = LOGS / "lm-eval"


def real(folder, task):
    (path,) = (SUMS / folder).glob(f"samples_{task}_2*.jsonl")
    return path


def passes(log):
    return [(sample.id, sample.passed) for sample in log.samples()]


def test_what_a_server_refused_is_no_answer():
    samples = list(read_harness_log(real("stand-in", "sums")).samples())
    assert len(samples) == 8
    (refused_one,) = [sample for sample in samples if sample.output is None]
    assert (refused_one.id, refused_one.passed) == ("4", None)
    assert "empty text" in refused_one.error


def test_a_mark_after_take_first_is_that_of_the_first_repeat():
    log = read_harness_log(real("stand-in", "sums_repeated"))
    assert (log.settings["seed"], log.max_tokens) == (7, 512)
    marks = passes(log)
    assert len(marks) == 16
    # Two different answers at 11: the second was never graded. Where they are the same, both were.
    assert marks[2:4] == [("1", False), ("1", None)]
    assert marks[:2] == [("0", True), ("0", True)]


def test_without_a_known_filter_a_mark_of_several_repeats_is_nobodys(tmp_path):
    rows = lines(real("stand-in", "sums_repeated"))
    marks = passes(read_harness_log(written(tmp_path, rows)))
    assert marks[2:4] == [("1", None), ("1", None)]


def test_samples_that_were_never_graded_are_not_correct_there():
    log = read_harness_log(real("predict-only", "sums"))
    assert {passed for _, passed in passes(log)} == {None}
    assert any("no metric" in remark for remark in log.remarks)
    assert log.settings["temperature"] == 0


def test_a_real_task_of_likelihoods_is_told():
    with pytest.raises(UsageError, match=r"colours.*likelihoods"):
        read_harness_log(real("dummy", "colours"))


def test_rows_of_likelihoods_among_others_are_skipped(tmp_path):
    rows = lines(real("dummy", "colours")) + lines(real("dummy", "sums"))
    samples = list(read_harness_log(written(tmp_path, rows)).samples())
    assert [bool(sample.skipped) for sample in samples] == [True] * 2 + [False] * 8


def test_document_0_of_one_task_is_not_document_0_of_another(tmp_path):
    rows = lines(real("dummy", "sums"))
    others = [row | {"doc": row["doc"] | {"question": "Another?"}} for row in rows]
    samples = list(read_harness_log(written(tmp_path, rows + others)).samples())
    assert len({sample.id for sample in samples}) == len(samples) == 16


@pytest.mark.parametrize("arguments", [{}, {"gen_args_0": {"arg_0": "the text"}}])
def test_a_rolling_likelihood_is_no_text(tmp_path, arguments):
    row = lines(real("dummy", "sums"))[0] | {"resps": [["-12.5"]], "arguments": arguments}
    if not arguments:
        row["resps"] = [[["-12.5", "False"]]]
    with pytest.raises(UsageError, match="likelihoods"):
        read_harness_log(written(tmp_path, [row]))


@pytest.mark.parametrize("change", ["no filter", "interleaved", "as they are", "first in one only"])
def test_filters_make_no_second_completion(tmp_path, change):
    rows = lines(real("stand-in", "sums"))
    expected = passes(read_harness_log(real("stand-in", "sums")))
    if change == "no filter":
        for row in rows:
            del row["filter"]
    elif change == "interleaved":
        rows = [rows[at + half] for at in range(8) for half in ((0, 8) if at % 2 else (8, 0))]
        rows.sort(key=lambda row: row["doc_id"])
    elif change == "first in one only":
        del rows[0]
        expected = sorted(expected[:1]) + expected[1:]
    log = read_harness_log(written(tmp_path, rows))
    found = dict(passes(log))
    assert len(list(log.samples())) == 8
    # Both filters call the same ones right.
    assert {id_: found[id_] for id_, _ in expected[1:]} == dict(expected[1:])


def test_the_metric_that_marks_is_one_that_says_right_or_wrong(tmp_path):
    rows = lines(real("dummy", "sums"))
    for row in rows:
        row |= {"metrics": ["length", "f1", "exact_match"], "length": 0, "f1": 1}
    log = read_harness_log(written(tmp_path, rows))
    assert {sample.mark for sample in log.samples()} == {"exact_match, filter strict-match"}
    assert {sample.passed for sample in log.samples()} == {False}
    for row in rows:
        row["metrics"] = ["length", "f1"]
    assert {passed for _, passed in passes(read_harness_log(written(tmp_path, rows)))} == {None}


def test_an_error_rate_is_no_mark(tmp_path):
    rows = lines(real("dummy", "sums"))
    name = "samples_sums_2026-01-02T03-04-05.678.jsonl"
    (tmp_path / "results_2026-01-02T03-04-05.678.json").write_text(
        json.dumps({"higher_is_better": {"sums": {"exact_match": False}}})
    )
    log = read_harness_log(written(tmp_path, rows, name))
    assert {passed for _, passed in passes(log)} == {None}


@pytest.mark.parametrize("resps", [["a", "b"], [["a", "b"]], [["a"], ["b"]], [[["a"], ["b"]]]])
def test_repeats_however_they_are_nested(tmp_path, resps):
    row = lines(real("dummy", "sums"))[0] | {"resps": resps}
    samples = read_harness_log(written(tmp_path, [row])).samples()
    assert [sample.output.text for sample in samples] == ["a", "b"]


@pytest.mark.parametrize(
    ("target", "targets"),
    [
        (7, ("7",)),
        ("7", ("7",)),
        (["a", "b"], ("a", "b")),
        ("['it\\'s', \"b\"]", ("it's", "b")),
        ("[7, 8]", ("7", "8")),
        ("[not a list", ("[not a list",)),
        ("", ()),
        (None, ()),
    ],
)
def test_targets_in_every_form(tmp_path, target, targets):
    row = lines(real("dummy", "sums"))[0] | {"target": target}
    (sample,) = read_harness_log(written(tmp_path, [row])).samples()
    assert sample.targets == targets


def test_an_array_a_bom_and_gzip_say_the_same(tmp_path):
    path = real("dummy", "sums")
    expected = passes(read_harness_log(path))
    forms = {
        "array.jsonl": json.dumps(lines(path)).encode(),
        "bom.jsonl": b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"),
        "samples_sums_2026-01-02T03-04-05.678.jsonl.gz": gzip.compress(path.read_bytes()),
    }
    for name, data in forms.items():
        (tmp_path / name).write_bytes(data)
        assert passes(read_harness_log(tmp_path / name)) == expected


def test_a_whole_result_has_a_log_for_each_task_that_generated(tmp_path):
    path = tmp_path / "results_2026-01-02T03-04-05.678.json"
    samples = {task: lines(real("dummy", task)) for task in ("colours", "sums")}
    path.write_text(json.dumps({"results": {}, "samples": samples, "model_name": "org/m"}))
    (log,) = read_harness_results(path)
    assert (log.task, log.model, len(list(log.samples()))) == ("sums", "org/m", 8)
    path.write_text(json.dumps({"results": {}, "samples": {"colours": samples["colours"]}}))
    with pytest.raises(UsageError, match="likelihoods"):
        read_harness_results(path)


@pytest.mark.parametrize("value", [10**299, -1, 1e308, float("nan"), "512", True, [], None])
def test_settings_that_cannot_be_are_left_out(tmp_path, value):
    row = lines(real("dummy", "sums"))[0]
    row["arguments"]["gen_args_0"]["arg_1"] = {"temperature": value, "max_gen_toks": value}
    log = read_harness_log(written(tmp_path, [row]))
    assert log.max_tokens is None
    assert log.settings in ({}, {"temperature": -1})
