"""Runs made of what a test says of them: records of samples, or outcomes alone."""

from __future__ import annotations

from lrmtest.questions.place import Place
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.records import RunRecord, SampleRecord


def sample_of(model, suite, question_id, index, verdict=None, **fields):
    """A sample's record."""
    return SampleRecord(model, Place("", suite, question_id, index), verdict, **fields)


def run_of(run_id, outcomes, *, model="m", manifest=None, created="", tokens_estimated=False):
    """A run of which nothing but the outcomes is known, as one from a baseline's file."""
    samples = []
    for key, question in outcomes.items():
        for index, outcome in (dict(question.samples) or {0: None}).items():
            samples.append(
                SampleRecord(
                    model,
                    Place("", *key, index),
                    summed_up=outcome,
                    error="no completion" if outcome is None else None,
                    tokens_estimated=tokens_estimated,
                )
            )
    return RunRecord(
        run_id=run_id,
        model=model,
        created=created,
        manifest=Manifest.from_json(manifest or {}),
        samples=tuple(samples),
    )
