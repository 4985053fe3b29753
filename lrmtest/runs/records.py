"""What a run remembers of each sample, without its text.

Texts can be megabytes; they stay in the store and are read one at a time. Everything that
`lrmtest.analysis` needs is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lrmtest.grading.completion import FinishReason
from lrmtest.grading.verdict import Verdict


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """One sample of one question by one model: its cost and its verdict, or its engine error.

    Attributes:
        model: the model's name, as in test ids and reports.
        suite: the suite's name.
        question_id: the question's id.
        sample: index of the sample, from 0.
        verdict: None when the engine failed.
        error: what the engine said; None when there is a completion.
        finish_reason: as in `lrmtest.grading.completion`; None when the engine failed.
        prompt_tokens, reasoning_tokens, answer_tokens: token counts; 0 when unknown.
        tokens_estimated: counts come from text length, not from a tokenizer.
        seconds: wall time from submission to the last token; 0 when unknown.
        reused: the completion was in the store already and was not generated this time.
    """

    model: str
    suite: str
    question_id: str
    sample: int
    verdict: Verdict | None
    error: str | None = None
    finish_reason: FinishReason | None = None
    prompt_tokens: int = 0
    reasoning_tokens: int = 0
    answer_tokens: int = 0
    tokens_estimated: bool = False
    seconds: float = 0.0
    reused: bool = False


@dataclass(frozen=True, slots=True)
class RunTiming:
    """How long this session took to generate, for rates.

    Attributes:
        wall_seconds: from the first submission to the last completion; 0 when nothing was
            generated.
        startup_seconds: until the engine was ready.
        generated_tokens: tokens generated in `wall_seconds` (reused completions not counted).
    """

    wall_seconds: float = 0.0
    startup_seconds: float = 0.0
    generated_tokens: int = 0


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run: a model at stated settings, with what it did.

    Attributes:
        run_id: the run's name in the store.
        model: the model's name.
        manifest: every setting that changes an outcome; JSON values only, no secrets.
        samples: one record per sample.
        timing: of this session; zeros when read back from the store.
    """

    run_id: str
    model: str
    manifest: Mapping[str, Any]
    samples: tuple[SampleRecord, ...]
    timing: RunTiming = field(default_factory=RunTiming)
