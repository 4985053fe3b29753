"""Suites: each a set of questions with its prompt, its token budget and its grader."""

from lrmtest.suites.from_hub import suite_from_hub
from lrmtest.suites.inline import questions_from_jsonl, suite_from_jsonl
from lrmtest.suites.registry import SUITES, suite_named
from lrmtest.suites.suite import Suite

__all__ = [
    "SUITES",
    "Suite",
    "questions_from_jsonl",
    "suite_from_hub",
    "suite_from_jsonl",
    "suite_named",
]
