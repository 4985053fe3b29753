"""Stores with a few runs in them, for tests of the report."""

from __future__ import annotations

from lrmtest.grading import Completion, grade
from lrmtest.questions.place import Place
from lrmtest.questions.question import INTEGER, Question
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.store import Store

TAGS = ("<think>", "</think>")
LONG = " ".join(f"This is word number {n}." for n in range(800))
LOOP = "Wait, let me check that once more. It should be the same as before, I think.\n"


def manifest(model, suites, *, samples=1, **model_settings):
    """As a run has it, in short."""
    return {
        "model": {
            "name": model,
            "engine": "llamacpp",
            "compression": {"method": "gguf", "bits_per_weight": None, "sparsity": 0.0},
            "reasoning_tags": list(TAGS),
            **model_settings,
        },
        "temperature": 0.6,
        "suites": {
            suite: {
                "prompt_sha256": "0" * 64,
                "max_tokens": 4096,
                "samples": samples,
                "questions": 1,
                "tests": [f"suites/{suite}/test_{suite}.py::test_{suite}"],
                "options": ["--model", model],
            }
            for suite in suites
        },
    }


def question(suite, question_id, text="What is $1 + 1$?", expected="2"):
    return Question(question_id, suite, {"text": text}, (expected,), INTEGER)


def said(reasoning, answer, *, finish="stop", tokens=None):
    """A completion; without an answer its reasoning never ends."""
    text = f"<think>\n{reasoning}" + (f"\n</think>\n{answer}" if answer is not None else "")
    count = tokens or max(1, len(text) // 4)
    return Completion(text, finish, 10, count, count * 9 // 10, seconds=1.5, seed=7)


def right(number=2, extra=""):
    return said(f"One and one make two. {extra}", f"The answer is \\boxed{{{number}}}.")


def wrong(extra=""):
    return said(f"One and one make two. {extra}Or is it three?", "The answer is \\boxed{999}.")


def looped():
    return said("One and one.\n" + LOOP * 212, None, finish="length")


def add_run(store, run_id, asked, *, model=None, manifest_of=None, errors=(), finished=True):
    """Add a run.

    Args:
        store: where.
        run_id: its name.
        asked: (question, completions).
        model: the model's name; the run's when None.
        manifest_of: the manifest; a usual one when None.
        errors: (question, sample, message) of engine errors.
        finished: everything planned is there.
    """
    model = model or run_id
    questions = {
        (one.suite, one.id): one for one in [*(q for q, _ in asked), *(q for q, _, _ in errors)]
    }
    suites = dict.fromkeys(suite for suite, _ in questions)
    content = manifest_of or manifest(model, suites)
    store.add_run(run_id, model, run_id, Manifest.from_json(content))
    store.add_questions(
        run_id,
        [
            (one.suite, one.id, one, [("user", str(one.material["text"]))])
            for one in questions.values()
        ],
    )
    for one, completions in asked:
        for sample, completion in enumerate(completions):
            key = f"{run_id}/{one.suite}/{one.id}/{sample}"
            store.add_completion(run_id, Place(key, one.suite, one.id, sample), completion)
            store.set_verdicts(run_id, [(key, grade(one, completion, TAGS))])
    for one, sample, message in errors:
        key = f"{run_id}/{one.suite}/{one.id}/{sample}"
        store.add_error(run_id, Place(key, one.suite, one.id, sample), message, 3)
    if finished:
        store.finish_run(run_id)


SUMS, WORDS = 40, 12
BROKEN = {"full": 4, "small": 20}
"""Sums that each model fails, the first ones."""


def make_store(path):
    """A baseline, `full-1`, and a worse candidate, `small-1`, with every kind of outcome."""
    sums = [
        question("sums", f"q{n}", f"What is ${n} + 1$? Number {n}.", str(n + 1))
        for n in range(SUMS)
    ]
    words = [question("words", f"w/{n} ü", f"Word {n}, worth $5 or $6?") for n in range(WORDS)]
    with Store(path) as store:
        for model, broken in BROKEN.items():
            asked = []
            for n, one in enumerate(sums):
                if n == 1:
                    completions = [looped()] * 2
                elif n == 2:
                    completions = [said("I do not know", "No idea.")] * 2
                elif n == 3:
                    completions = [said("Cut", None, finish="length")] * 2
                elif n < broken:
                    completions = [wrong("Hm. ")] * 2
                else:
                    completions = [right(n + 1, "Sure. " * 3)] * 2
                asked.append((one, completions))
            asked += [(one, [right(2, LONG)] * 2) for one in words]
            lost = [(words[3], 2, "connection lost after 3 attempts")]
            errors = lost if model == "small" else ()
            add_run(store, f"{model}-1", asked, model=model, errors=errors)
    return path


VARIANTS = (
    ("parent", "none", 16.0),
    ("gguf-Q8_0", "gguf", 8.5),
    ("gguf-Q5_K_M", "gguf", 5.7),
    ("gguf-Q4_K_M", "gguf", 4.8),
    ("gguf-IQ2_XXS", "gguf", 2.1),
    ("awq-4bit-group128", "awq", 4.25),
    ("gptq-4bit-group128", "gptq", 4.25),
    ("gptq-4bit-group32", "gptq", 4.25),
    ("gptq-3bit-group128", "gptq", 3.25),
    ("sparsegpt-0.5", "sparsegpt", 16.0),
    ("sparsegpt-0.10", "sparsegpt", 16.0),
    ("sparsegpt-0.9", "sparsegpt", 16.0),
)
"""Twelve variants of one model with long names: what follows it, method, bits per weight."""
FAMILY = "r1-distill-qwen-7b-"
EACH = 12


def make_many(path, variants=VARIANTS, *, alike=False):
    """As many runs as variants, each failing some more of its questions than the one before.

    Args:
        path: of the store.
        variants: name, method, bits per weight.
        alike: all fail the same and cost the same, so that their points lie on each other.

    Returns:
        The runs' ids.
    """
    asked = [question("sums", f"q{n}") for n in range(EACH)]
    asked += [question("words", f"w{n}") for n in range(EACH)]
    with Store(path) as store:
        for place, (name, method, bits) in enumerate(variants):
            broken = 5 if alike else place
            said_of = [
                (one, [wrong() if n % EACH < broken else right(extra="Sure. " * (place + n))])
                for n, one in enumerate(asked)
            ]
            model = FAMILY + name
            content = manifest(model, ("sums", "words"))
            sparsity = float(name.rpartition("-")[2]) if method == "sparsegpt" else 0.0
            content["model"]["compression"] = {
                "method": method,
                "bits_per_weight": 4.0 if alike else bits,
                "sparsity": 0.5 if alike else sparsity,
            }
            content["size"] = {"parameters": 7.6, "disk_gb": 7.6 * bits / 8, "memory_gb": None}
            add_run(store, f"{name}-1", said_of, model=model, manifest_of=content)
    return [f"{name}-1" for name, _, _ in variants]
