"""A store of made-up runs, for pictures of the report: no model made them.

Two suites of generated questions and five models that are one model at ever fewer bits. What they
say is put together from phrases; what becomes of it is graded as anything else is.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lrmtest.grading import Completion, grade
from lrmtest.questions.fresh import fresh_question
from lrmtest.questions.place import Place
from lrmtest.questions.question import INTEGER, Question
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.store import Store

SAMPLES = 4
BUDGET = 4096
PROMPTS = {
    "fresh-temporal": "{text}\n\nThink first. End with the right option's letter in \\boxed{}.",
    "remainders": "{text}\n\nReason step by step. Put the final answer in \\boxed{}.",
}


@dataclass(frozen=True)
class DemoModel:
    """A model that does not exist.

    Attributes:
        name: its name.
        bits: per weight.
        skill: by how much it is likelier to be right, as a logit.
        longer: factor for the length of its reasoning.
        loops, cut: share of completions that loop or run out of tokens.
    """

    name: str
    bits: float
    skill: float
    longer: float
    loops: float
    cut: float


MODELS = (
    DemoModel("demo-7b", 16.0, 0.0, 1.0, 0.0, 0.01),
    DemoModel("demo-7b-q8", 8.5, -0.02, 1.02, 0.0, 0.01),
    DemoModel("demo-7b-q4", 4.8, -0.1, 1.02, 0.005, 0.015),
    DemoModel("demo-7b-q3", 3.4, -1.1, 1.3, 0.05, 0.09),
    DemoModel("demo-7b-q2", 2.6, -2.6, 1.5, 0.30, 0.17),
)


def remainders(count: int) -> list[Question]:
    """Questions with mathematics in them, whose answers are integers."""
    dice = random.Random(7)
    found = []
    for number in range(count):
        base, exponent, modulus = dice.randint(3, 29), dice.randint(20, 400), dice.randint(41, 997)
        text = (
            f"Let $a_n = {base}^n + n^2$ for every integer $n \\ge 1$. What is the remainder when "
            f"$a_{{{exponent}}}$ is divided by ${modulus}$?"
        )
        answer = (pow(base, exponent, modulus) + exponent**2) % modulus
        material = {"text": text, "base": base, "exponent": exponent, "modulus": modulus}
        found.append(
            Question(f"remainder-{number}", "remainders", material, (str(answer),), INTEGER)
        )
    return found


def remainder_steps(question: Question, dice: random.Random, until: int) -> Iterator[str]:
    """Square and multiply, step by step, as many steps as there are or `until`."""
    material = question.material
    base, exponent, modulus = material["base"], material["exponent"], material["modulus"]
    yield (
        f"Okay, I need $a_{{{exponent}}} = {base}^{{{exponent}}} + {exponent}^2$ modulo "
        f"${modulus}$. Powers first. I write ${exponent} = {bin(exponent)[2:]}_2$ and "
        "square again and again."
    )
    square, power = base % modulus, 1
    for step, bit in enumerate(reversed(bin(exponent)[2:])):
        if step >= until:
            return
        if bit == "1":
            power = power * square % modulus
        squared = square * square
        opening = dice.choice(("Next:", "So", "Then", "Squaring again,", "Now"))
        yield (
            f"{opening} \\({base}^{{{2 ** (step + 1)}}} \\equiv {square}^2 = {squared} \\equiv "
            f"{squared % modulus} \\pmod{{{modulus}}}\\)."
            + (f" The bit is 1, so the product is now {power}." if bit == "1" else "")
        )
        if dice.random() < 0.3:
            yield dice.choice(
                (
                    f"Wait, let me check that: \\({squared} = {squared // modulus} \\cdot "
                    f"{modulus} + {squared % modulus}\\). Yes.",
                    "Hmm, is that right? I think it is.",
                    "Let me keep these numbers apart from the ones before.",
                )
            )
        square = squared % modulus
    rest = exponent**2 % modulus
    yield (
        f"Then \\[{base}^{{{exponent}}} + {exponent}^2 \\equiv {power} + {rest} \\equiv "
        f"{(power + rest) % modulus} \\pmod{{{modulus}}}.\\]"
    )


def temporal_steps(question: Question, dice: random.Random, until: int) -> Iterator[str]:
    """Go through the sightings, then through the options."""
    lines = [line for line in question.material["story"].split("\n") if " saw " in line]
    yield "Okay, so I have to find a time in which nobody saw the person. What is known?"
    for number, line in enumerate(lines):
        if number >= until:
            return
        yield f"{number + 1}. {line} " + dice.choice(
            ("So that time is taken.", "That leaves it out.", "Not possible then.", "Noted.")
        )
    for option in question.material["options"]:
        seen = next((line for line in lines if option in line), None)
        yield f"Option {option}: " + (
            f"no, because {seen[0].lower() + seen[1:]}"
            if seen is not None
            else dice.choice(("nobody saw anything then.", "this is free, as far as I can see."))
        )
        if dice.random() < 0.4:
            yield dice.choice(
                (
                    "Wait, let me read that sentence again to be sure.",
                    "Alternatively, I could draw a line from morning to night and mark every hour.",
                    "But hold on, does the closing time matter here? It does not.",
                )
            )


def completion_of(model: DemoModel, question: Question, sample: int, hardness: float) -> Completion:
    """What a model says, by its name, the question and the sample alone."""
    seed = hashlib.sha256(f"{model.name}/{question.id}/{sample}".encode()).digest()
    dice = random.Random(int.from_bytes(seed[:8], "big"))
    # Models of one family begin alike.
    shared = random.Random(f"{question.id}/{sample}")
    make = remainder_steps if question.suite == "remainders" else temporal_steps
    steps = list(make(question, shared, 99))
    if model.bits < 16:
        differs = dice.randint(2, max(2, len(steps) - 1))
        steps = steps[:differs] + list(make(question, dice, 99))[differs:]
    fate = dice.random()
    right = dice.random() < 1 / (1 + 2.718 ** -(1.6 + model.skill - hardness))
    reasoning = "\n\n".join(steps)
    for _ in range(int(model.longer * dice.lognormvariate(0.2, 0.5))):
        again = "Let me go through it once more, from the beginning."
        reasoning += f"\n\n{again}\n\n" + "\n\n".join(make(question, dice, 99))
    count = int(len(reasoning) / 3.1)
    if fate < model.loops:
        loop = (
            "\n\nWait, but maybe I made a mistake. Let me check the last step again. " + steps[-1]
        )
        text = reasoning + loop * dice.randint(24, 60)
        return Completion(text, "length", 120, BUDGET, BUDGET, seconds=dice.uniform(60, 90))
    if fate < model.loops + model.cut:
        text = reasoning[: len(reasoning) * 2 // 3]
        return Completion(text, "length", 120, BUDGET, BUDGET, seconds=dice.uniform(60, 90))
    if dice.random() < 0.015 - 0.02 * min(0.0, model.skill):
        answer = "I could not settle on one of them."
    elif right:
        answer = f"The answer is \\boxed{{{question.expected}}}."
    elif question.suite == "remainders":
        answer = f"The answer is \\boxed{{{dice.randint(0, question.material['modulus'])}}}."
    else:
        wrong = dice.choice([letter for letter in "ABCD" if letter != question.expected])
        answer = f"So the right option is \\boxed{{{wrong}}}."
    tokens = min(BUDGET - 20, count)
    return Completion(
        f"<think>\n{reasoning}\n</think>\n\n{answer}",
        "stop",
        120,
        tokens + 14,
        tokens,
        seed=dice.randint(0, 2**31),
        seconds=round(tokens / dice.uniform(50, 70), 1),
    )


def make_store(path: Path, temporal: int = 120, mathematics: int = 60) -> None:
    """Write all runs into a new store."""
    suites = {
        "fresh-temporal": [fresh_question("temporal", 0, index) for index in range(temporal)],
        "remainders": remainders(mathematics),
    }
    hard = random.Random(3)
    hardness = {question.id: hard.gauss(0, 1.6) for part in suites.values() for question in part}
    with Store(path) as store:
        for model in MODELS:
            run_id = f"{model.name}-20260301-120000"
            manifest = Manifest.from_json(manifest_of(model, suites))
            store.add_run(run_id, model.name, model.name, manifest)
            for suite, questions in suites.items():
                verdicts = []
                prompts = []
                for question in questions:
                    text = question.material.get("text") or "\n".join(
                        str(question.material[name])
                        for name in ("story", "question", "options_text")
                    )
                    prompts.append(
                        (
                            suite,
                            question.id,
                            question,
                            [("user", PROMPTS[suite].replace("{text}", text))],
                        )
                    )
                    for sample in range(SAMPLES):
                        key = f"{model.name}/{suite}/{question.id}/{sample}"
                        said = completion_of(model, question, sample, hardness[question.id])
                        store.add_completion(run_id, Place(key, suite, question.id, sample), said)
                        verdicts.append((key, grade(question, said, ("<think>", "</think>"))))
                store.add_questions(run_id, prompts)
                store.set_verdicts(run_id, verdicts)
            store.finish_run(run_id)


def manifest_of(model: DemoModel, suites: dict[str, list[Question]]) -> dict[str, object]:
    """As a real run's, in short."""
    return {
        "model": {
            "name": model.name,
            "engine": "llamacpp",
            "compression": {
                "method": "none" if model.bits == 16 else "gguf",
                "bits_per_weight": model.bits,
                "sparsity": 0.0,
            },
            "reasoning_tags": ["<think>", "</think>"],
        },
        "size": {
            "parameters": 7.0,
            "disk_gb": 7 * model.bits / 8,
            "memory_gb": 7 * model.bits / 8 * 1.2 + 0.5,
        },
        "temperature": 0.6,
        "top_p": 0.95,
        "seed": 0,
        "suites": {
            name: {
                "prompt_sha256": hashlib.sha256(PROMPTS[name].encode()).hexdigest(),
                "max_tokens": BUDGET,
                "samples": SAMPLES,
                "questions": len(questions),
                "answer_kinds": [questions[0].kind],
                "source": {"kind": "generated", "name": name, "revision": "1", "sha256": ""},
                "tests": [
                    f"suites/{name}/test_{name.replace('-', '_')}.py::test_{name.replace('-', '_')}"
                ],
                "options": ["--model", model.name, "--max-tokens", str(BUDGET)],
            }
            for name, questions in suites.items()
        },
    }
