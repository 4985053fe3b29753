"""A run with everything that an export must get across, and where other tools' logs are."""

from pathlib import Path

from lrmtest.errors import LrmtestError
from lrmtest.grading import Completion, grade
from lrmtest.questions import Question
from lrmtest.questions.place import Place
from lrmtest.runs.formats.imported import check_log, write_log
from lrmtest.runs.manifest import Manifest

LOGS = Path(__file__).parents[1] / "runs" / "formats" / "logs"
"""Logs that other tools wrote."""
MANIFEST = {
    "model": {"name": "m", "reasoning_tags": ["<think>", "</think>"]},
    "temperature": 0.6,
    "top_p": 0.95,
    "seed": 0,
    "suites": {"aime": {"samples": 4, "max_tokens": 100, "source": {"name": "x.jsonl"}}},
}
QUESTION = Question("2024/I ünï", "aime", {"problem": "1+1?"}, ("2",), "integer")
OUTPUTS = (
    ("<think>\nhm\x00\ud800\x1b[31m</think>\n\nit is \\boxed{2}", "stop"),
    ("<think>\nhm hm hm", "loop"),
    ("\\boxed{3}", "stop"),
    ("", "stop"),
)


def import_log(store, log, assignment, *, name, tags):
    """Check a log and write it, as the command does with several."""
    return write_log(store, check_log(log, assignment, tags), name=name)


def fill(store, run_id="run-1", manifest=MANIFEST):
    """Write such a run; returns it."""
    store.add_run(run_id, "m", "identity", Manifest.from_json(manifest))
    for suite in manifest["suites"]:
        prompt = [("system", "Be brief."), ("user", "1+1?\x00\x1b[31m<script>\ud800")]
        store.add_questions(run_id, [(suite, QUESTION.id, QUESTION, prompt)])
        for sample, (text, finish_reason) in enumerate(OUTPUTS):
            completion = Completion(text, finish_reason, 5, 70, 30, seconds=1.5, seed=9)
            key = f"{suite}{sample}".ljust(64, "0")
            store.add_completion(run_id, Place(key, suite, QUESTION.id, sample), completion)
            store.set_verdicts(run_id, [(key, grade(QUESTION, completion))])
        store.add_error(
            run_id, Place(f"{suite}9".ljust(64, "0"), suite, QUESTION.id, 4), "broke\x1b", 3
        )
    store.finish_run(run_id)
    return store.run(run_id)


def refused(read):
    """The message with which a reader refuses a file; None when it does not."""
    try:
        read()
    except LrmtestError as error:
        return str(error)
    return None
