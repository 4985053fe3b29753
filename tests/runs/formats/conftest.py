"""Logs of the real tools, and the questions that they are of."""

import json

import pytest
from exported_run import LOGS

from lrmtest.questions import Question, QuestionSet, Source
from lrmtest.runs.formats.assign import SuiteQuestions
from lrmtest.suites import Suite


@pytest.fixture(scope="session")
def harness_file():
    (path,) = LOGS.glob("samples_*.jsonl")
    return path


@pytest.fixture(scope="session")
def eval_file():
    return LOGS / "fresh-temporal-demo.eval"


@pytest.fixture(scope="session")
def suite_questions(harness_file):
    """The questions in the logs as a suite, under ids of their own."""
    questions = []
    docs = {}
    for line in harness_file.read_text().splitlines():
        sample = json.loads(line)
        docs[sample["doc_id"]] = sample["doc"]
    for number, doc in docs.items():
        head, _, tail = doc["input"].partition("\nOptions:\n")
        story, _, asked = head.rpartition("\n")
        options = [line[4:] for line in tail.splitlines()]
        material = {"story": story, "question": asked, "options": options, "options_text": tail}
        letter = doc["target"][1]
        questions.append(Question(f"q{number}", "demo", material, (letter,), "option"))
    loaded = QuestionSet(tuple(questions), Source("inline", "demo"))
    prompt = "{story}\n{question}\n{options_text}"
    return SuiteQuestions(Suite("demo", lambda options: loaded, prompt, 4096), loaded)
