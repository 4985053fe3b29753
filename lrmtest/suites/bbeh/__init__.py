"""BIG-Bench Extra Hard: 23 tasks, each a harder one of BIG-Bench Hard's (arXiv 2502.19187).

All of them have graders here. The targets' form says which: a letter in parentheses is an option,
everything else a sequence, of words or numbers in their order or of one, and equal is what the
benchmark's own evaluation calls equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.lettered_options import OPTION_LETTERS
from lrmtest.questions.question import OPTION, SEQUENCE, Question
from lrmtest.questions.rows import Row
from lrmtest.questions.sources import Release, load_parts, load_release
from lrmtest.suites.suite import DefaultBudget, Suite, SuiteDescription

_REVISION = "80d12ca916b7158f22293fcf3144f4d3d854d4be"
_FOLDER = "bbeh/benchmark_tasks"

# A task's file as it is at that revision, by its SHA-256. Temporal sequences come first.
_TASKS = {
    "temporal_sequence": "55f6711d3d76925acb5d2fffdc1947e0e7186c686f0a343598394a57df6c7c6e",
    "boardgame_qa": "3d47dc41eb825b2ee77a696e79859d8d2043b1bf04077e120caec4ad324f32a8",
    "boolean_expressions": "49e763f10dbea048be56036c8cbf2a6d0bb735235e3806b50809a1addb57eee2",
    "buggy_tables": "c27b76200bf1b0d4ada3729f5a40aa1f0062267e42c4f40820b3e40891c3fe85",
    "causal_understanding": "b10bbf43f7f5cdde927b0ad03f99a7a78b3525de4bfa90008b36b12b010c9a81",
    "disambiguation_qa": "6d34e0c89c3b1e1386df5919159b8d67b4668308d1225bd1ee54eb1e946472bd",
    "dyck_languages": "a089612502bdfb98a447c8cba84f972724308ea0d059e8561e3cc9785de585cc",
    "geometric_shapes": "7ff506d026450cb878a0963ce478724ad1451bc56469c813c791b9345ac1bea7",
    "hyperbaton": "0fbacc94f4c740c3050021f4c57089f2011d7bd77fcff3346a7f4b9dbef842e2",
    "linguini": "ba387d2aa1bde122e6c9937fca4e075b9cc7d64e6047b170cfcffd6304919ea8",
    "movie_recommendation": "808882647b84c116a57e0975e3d357749525e12d215c4a5dae83de83ae8c4772",
    "multistep_arithmetic": "47207086cd2afe74df9968172d24134c82af8c666144092f04e4c1ebad8cf3d2",
    "nycc": "67c9a9dca40e6ec820a279da19a019cedd5427fbaaae3fd175cdb74965474b08",
    "object_counting": "a0a8b10ca1aa06eae611c7c7e854fbec4f9622c8f74a74ffa00436a9a8609b67",
    "object_properties": "d606b3aa0c35d5397afc5937207174593c82ad5dfcaf7e5dfb40a99278aef0e4",
    "sarc_triples": "4c7b8eb4b542d326152394456c0a1afc8ef5447ee06dd4187b7eb91027a6b821",
    "shuffled_objects": "43cda28220c66e8d63e667d3091cd18b0b17aa55c005bb24bbb63144afdba9c1",
    "spatial_reasoning": "e77986b73e0ed15b5f950978b7758f55311b4d50e7215961084b126e4d960cb7",
    "sportqa": "69b3f164d9617eab9185830eacf4250badb56c2d718ddc75012597ed1a4bc9bf",
    "time_arithmetic": "2510515a6f12024a742743e29a389f07beacb3bf4c71e0b59be12f3e364cf31b",
    "web_of_lies": "15f23d32579285701f68dae7947e2191eff21ee97440dfa73cb3565a66c77a6d",
    "word_sorting": "f49674b7b85774d6190c2844e1682c2ee8ff591ca1eeee4e785a45ef1e20024d",
    "zebra_puzzles": "0acd979060ee49f063f241dd1a298bd80b63d6b7fbfb08057ff480bff98a6198",
}
_FEWER = {"disambiguation_qa": 120}

BBEH = Release(
    name="bbeh",
    title="BIG-Bench Extra Hard",
    names=(f"{_FOLDER}/bbeh_*/task.json",),
    rows=sum(_FEWER.get(task, 200) for task in _TASKS),
    licence="CC BY 4.0",
    # The hub has copies, of which neither a commit nor a hash could be verified.
    hub=None,
    obtain="git clone https://github.com/google-deepmind/bbeh, and "
    f"git checkout {_REVISION[:7]} in it; the clone is the folder, or lies in it",
    fingerprinted=False,
)
BBEH_MINI = replace(
    BBEH,
    name="bbeh-mini",
    title="BIG-Bench Extra Hard, mini",
    names=("bbeh/mini/data.json", "bbeh/bbeh/mini/data.json", "bbeh_mini.json"),
    rows=460,
    sha256="14e77b3d6be68faa008d268abf53b1f8d2420ffdd762504a304dafc3f8d43026",
)

_LETTER = re.compile(r"\(([A-Z])\)")
_OPTION = re.compile(r"^\(([A-Z])\) ?(\S.*)$", re.MULTILINE)

PROMPT = """{question}

Reason step by step. Then end with one line that holds only the answer, in the form that is asked \
for:
Answer: <answer>"""


def load_bbeh(options: DataOptions) -> QuestionSet:
    """The 4,520 questions. Ids are a task and its example's number: ``temporal_sequence-17``.

    Material: ``question``, ``task``, and for an option ``options`` (a list).
    """
    return load_parts("bbeh", [(_task(task), _builder("bbeh", task)) for task in _TASKS], options)


def load_bbeh_mini(options: DataOptions) -> QuestionSet:
    """The 460 of the release's smaller file, 20 of each task. Ids are numbers from 0: ``17``."""
    return load_release(BBEH_MINI, options, _builder("bbeh-mini", ""))


def _task(task: str) -> Release:
    return replace(
        BBEH,
        name=f"bbeh-{task}",
        title=f"BIG-Bench Extra Hard, {task.replace('_', ' ')}",
        names=(
            f"{_FOLDER}/bbeh_{task}/task.json",
            f"bbeh/{_FOLDER}/bbeh_{task}/task.json",
            f"bbeh_{task}.json",
        ),
        rows=_FEWER.get(task, 200),
        sha256=_TASKS[task],
    )


def _builder(suite: str, task: str) -> Callable[[Row, int], Question]:
    return partial(_question, suite, task)


def _question(suite: str, task: str, row: Row, number: int) -> Question:
    asked, target = row.text("input"), row.text("target")
    material: dict[str, Any] = {"question": asked.strip()}
    if task:
        material["task"] = task
    id_ = f"{task}-{number}" if task else str(number)
    letter = _LETTER.fullmatch(target)
    if letter is None:
        return Question(id_, suite, material, (target,), SEQUENCE)
    material["options"] = options = _options(row, asked)
    if letter[1] not in OPTION_LETTERS[: len(options)]:
        raise row.error("target", f"not the letter of one of the {len(options)} options")
    return Question(id_, suite, material, (letter[1],), OPTION)


def _options(row: Row, asked: str) -> list[str]:
    """What stands behind the letters in a question, of each its first line."""
    options: list[str] = []
    for letter, text in _OPTION.findall(asked):
        # What an option says may have a letter of its own at the start of a further line.
        if letter == OPTION_LETTERS[len(options) :][:1]:
            options.append(text.strip())
    if len(options) < 2:
        raise row.error("input", "options (A), (B), ... were expected in it")
    return options


def _suite(release: Release, load: Callable[[DataOptions], QuestionSet], title: str) -> Suite:
    return Suite(
        name=release.name,
        load=load,
        prompt=PROMPT,
        max_tokens=DefaultBudget(32768),
        described=SuiteDescription(
            title=title,
            kinds=(SEQUENCE, OPTION),
            questions=release.rows,
            releases=(release,),
        ),
    )


BBEH_SUITES = (
    _suite(BBEH, load_bbeh, "23 tasks of reasoning, from meetings that fit a week to sarcasm"),
    _suite(BBEH_MINI, load_bbeh_mini, "The same 23 tasks, 20 questions of each"),
)
