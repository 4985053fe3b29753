"""Logs of other tools as runs: placed, graded, and written once."""

import json
from dataclasses import replace

import pytest
from exported_run import import_log

from lrmtest.analysis.compare import compare
from lrmtest.errors import DataError, UsageError
from lrmtest.questions import DataOptions, Question, QuestionSet, Source
from lrmtest.runs.formats.assign import OwnQuestions, SuiteQuestions, choose_suite
from lrmtest.runs.formats.harness import read_harness_log
from lrmtest.runs.formats.inspect_log import read_inspect_log
from lrmtest.runs.store import Store
from lrmtest.suites import Suite, suite_named

TAGS = ("<think>", "</think>")


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store.sqlite") as opened:
        yield opened


def test_an_lm_eval_log_is_graded_here(store, harness_file, suite_questions):
    log = read_harness_log(harness_file)
    imported = import_log(store, log, suite_questions, name="m", tags=TAGS)
    assert (imported.completions, imported.errors, imported.left_out) == (12, 0, ())
    assert (imported.compared, imported.disagreements) == (12, ())
    records = {
        record.place.question_id: record
        for record in store.sample_records(store.run(imported.run.run_id))
    }
    failures = {id_: record.verdict.failure for id_, record in records.items()}
    wrong = {"q3": "wrong", "q7": "wrong", "q11": "wrong", "q6": "looped", "q9": "no-answer"}
    assert failures == {f"q{number}": wrong.get(f"q{number}") for number in range(12)}
    assert all(record.tokens_estimated for record in records.values())
    manifest = store.run(imported.run.run_id).manifest
    assert manifest.temperature == 0.6
    assert manifest.suites["demo"].source.name == "demo"
    assert manifest.imported["demo"].task == "fresh_temporal_demo"


def test_two_tools_logs_are_compared_question_by_question(
    store, harness_file, eval_file, suite_questions
):
    first = import_log(store, read_harness_log(harness_file), suite_questions, name="a", tags=TAGS)
    second = import_log(store, read_inspect_log(eval_file), suite_questions, name="b", tags=TAGS)
    assert (second.completions, second.disagreements) == (12, ())
    compared = compare(
        *(store.record(store.run(each.run.run_id)) for each in (first, second)),
        allowed=["budget"],
    )
    assert compared.comparison.total.questions == 12
    assert compared.comparison.total.failed.worsening == 0


def test_what_was_counted_is_kept(store, eval_file, suite_questions):
    run = import_log(store, read_inspect_log(eval_file), suite_questions, name="m", tags=TAGS).run
    completions = {
        each.place.question_id: each.completion for each in store.completions(run.run_id)
    }
    assert completions["q6"].completion_tokens == 512
    assert completions["q6"].finish_reason == "length"
    assert completions["q6"].reasoning_tokens == 512
    assert not completions["q6"].tokens_estimated


def test_importing_twice_changes_nothing(store, harness_file, suite_questions):
    def contents(run):
        return list(store.completions(run.run_id)), store.sample_records(run), store.runs()[0]

    log = read_harness_log(harness_file)
    first = import_log(store, log, suite_questions, name="m", tags=TAGS)
    before = contents(store.run(first.run.run_id))[:2]
    import_log(store, log, suite_questions, name="m", tags=TAGS)
    assert len(store.runs()) == 1
    assert contents(store.run(first.run.run_id))[:2] == before


def test_tasks_of_one_invocation_are_one_run(store, harness_file, suite_questions):
    log = read_harness_log(harness_file)
    import_log(store, log, suite_questions, name="m", tags=TAGS)
    import_log(store, log, OwnQuestions(log, "option"), name="m", tags=TAGS)
    (run,) = store.runs()
    assert set(run.manifest.suites) == {"demo", "fresh_temporal_demo"}
    assert run.finished


def test_a_suite_is_not_filled_from_two_logs(store, harness_file, suite_questions, tmp_path):
    import_log(store, read_harness_log(harness_file), suite_questions, name="m", tags=TAGS)
    other = tmp_path / harness_file.name
    other.write_text(harness_file.read_text() + harness_file.read_text())
    (tmp_path / "results_2026-11-24T23-35-46.040102.json").write_text(
        json.dumps({"model_name": "r1-stand-in"})
    )
    with pytest.raises(UsageError, match="has suite demo already"):
        import_log(store, read_harness_log(other), suite_questions, name="m", tags=TAGS)


def test_questions_of_another_suite_are_left_out_and_named(
    store, harness_file, suite_questions, tmp_path
):
    lines = [json.loads(line) for line in harness_file.read_text().splitlines()]
    for line in lines:
        if line["doc_id"] == 4:
            line["doc"] = {"input": "Something else?", "name": "other"}
    path = tmp_path / "samples_x.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    imported = import_log(store, read_harness_log(path), suite_questions, name="m", tags=TAGS)
    assert (imported.completions, imported.left_out) == (11, ("4",))


def test_a_log_of_other_questions_is_refused_and_writes_nothing(
    store, harness_file, suite_questions, tmp_path
):
    line = json.loads(harness_file.read_text().splitlines()[0])
    line["doc"] = {"input": "Something else?"}
    path = tmp_path / "samples_x.jsonl"
    path.write_text(json.dumps(line))
    with pytest.raises(DataError, match="none of its questions"):
        import_log(store, read_harness_log(path), suite_questions, name="m", tags=TAGS)
    assert store.runs() == []


def test_a_damaged_line_writes_nothing(store, harness_file, suite_questions, tmp_path):
    path = tmp_path / "samples_x.jsonl"
    path.write_text(harness_file.read_text() + "{")
    with pytest.raises(DataError, match=r"samples_x\.jsonl:25"):
        import_log(store, read_harness_log(path), suite_questions, name="m", tags=TAGS)
    assert store.runs() == []


def test_a_log_graded_by_its_own_targets(store, harness_file):
    log = read_harness_log(harness_file)
    imported = import_log(store, log, OwnQuestions(log, "option"), name="m", tags=TAGS)
    assert (imported.suite, imported.completions) == ("fresh_temporal_demo", 12)
    assert (imported.compared, imported.disagreements) == (12, ())
    question = store.question(imported.run.run_id, "fresh_temporal_demo", "0").question
    assert len(question.material["options"]) == 4


def test_targets_that_do_not_fit_the_kind_are_an_error(store, harness_file):
    log = read_harness_log(harness_file)
    with pytest.raises(DataError, match=r":1, field 'answer': '\(D\)' is not an integer"):
        import_log(store, log, OwnQuestions(log, "integer"), name="m", tags=TAGS)
    with pytest.raises(UsageError, match="no grader"):
        OwnQuestions(log, "essay")


def test_a_task_called_like_a_suite_is_not_mixed_up_with_it(harness_file, tmp_path):
    path = tmp_path / "samples_folio_2026-01-01T00-00-00.jsonl"
    path.write_text(harness_file.read_text())
    assert OwnQuestions(read_harness_log(path), "option").suite == "imported-folio"


def test_the_suite_is_found_by_its_questions(harness_file, tmp_path):
    suite, count = "fresh-temporal", 30
    questions = _fresh(suite, count)
    lines = []
    for number, question in enumerate(questions):
        line = json.loads(harness_file.read_text().splitlines()[0])
        line["doc_id"] = number
        line["doc"] = {"input": " ".join(map(str, _texts(question.material)))}
        lines.append(json.dumps(line) + "\n")
    path = tmp_path / "samples_x.jsonl"
    path.write_text("".join(lines))
    log = read_harness_log(path)
    found = choose_suite(log, DataOptions(fresh_count=count))
    assert found.suite == suite
    assert [found.question(sample).id for sample in log.samples()] == [q.id for q in questions]
    with pytest.raises(UsageError, match="in none of the suites"):
        choose_suite(log, DataOptions(fresh_count=count, fresh_seed=99))


def _fresh(name, count):
    return suite_named(name).load(DataOptions(fresh_count=count)).questions


def _texts(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else [value]


def test_an_id_counts_with_the_answer_that_is_expected(harness_file, tmp_path):
    question = Question("2024-I-4", "s", {"problem": "one $x$"}, ("116",), "integer")
    loaded = QuestionSet((question,), Source("inline", "s"))
    finder = SuiteQuestions(Suite("s", lambda options: loaded, "{problem}", 100), loaded)
    line = json.loads(harness_file.read_text().splitlines()[0])
    line |= {"doc": {"ID": "2024-I-4", "problem": "one \\(x\\)"}, "target": "116"}
    path = tmp_path / "samples_x.jsonl"
    path.write_text(json.dumps(line))
    (sample,) = read_harness_log(path).samples()
    assert finder.question(sample) == question
    assert finder.question(replace(sample, targets=("117",))) is None
    assert finder.question(replace(sample, targets=())) is None


@pytest.mark.data
def test_an_old_aime_log_is_known_by_its_text(harness_file, tmp_path, data_dir):
    rows = [json.loads(line) for line in (data_dir / "aime_2024.jsonl").read_text().splitlines()]
    lines = []
    for number, row in enumerate(rows):
        line = json.loads(harness_file.read_text().splitlines()[0])
        line |= {"doc_id": number, "target": str(row["Answer"])}
        line["doc"] = {"Problem": row["Problem"], "Answer": row["Answer"]}
        lines.append(json.dumps(line) + "\n")
    path = tmp_path / "samples_x.jsonl"
    path.write_text("".join(lines))
    log = read_harness_log(path)
    found = choose_suite(log, DataOptions(data_dir=data_dir))
    assert found.suite == "aime"
    assert [found.question(sample).id for sample in log.samples()] == [row["ID"] for row in rows]
