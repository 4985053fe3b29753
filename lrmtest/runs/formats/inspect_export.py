"""Runs as logs of inspect_ai, so that its viewer and its readers open them.

One log has one task, here a suite. The form is version 2 of inspect_ai's log, as a ``.json``
file or as an ``.eval`` file, a zip with the header, a summary and each sample in a file of its
own. Scores have ``C`` or ``I`` as inspect_ai's own; failure class, lenient verdict and the
grader's figures are in their metadata, and the run's manifest is in the log's.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from lrmtest.errors import StoreError, UsageError
from lrmtest.grading import Completion, Verdict, split
from lrmtest.grading.split import Tags
from lrmtest.runs.extent import EVERYTHING, Extent, narrowed_manifest, reaches
from lrmtest.runs.files import replacing
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.records import RunHead, StoredCompletion, StoredError, StoredQuestion
from lrmtest.runs.store import Store
from lrmtest.unicode import well_formed

_LOG_VERSION = 2
_SCORER = "lrmtest"
_SUMMARY_TEXT = 1000
"""Characters of a prompt in the summaries, which are read whole."""
# inspect_ai has no word for a completion that was stopped in a loop.
_STOP_REASONS = {"stop": "stop", "length": "max_tokens", "loop": "max_tokens", "unknown": "unknown"}


def export_inspect(
    store: Store, run: RunHead, path: Path, extent: Extent = EVERYTHING
) -> tuple[int, list[Path]]:
    """Write a run as logs of inspect_ai.

    Args:
        store: where the run is.
        run: the run.
        path: a file that ends in ``.json`` or ``.eval``, for a run of one suite; any other path
            is a folder, which gets an ``.eval`` file for each suite.
        extent: what of the run.

    Returns:
        The number of completions, and the files written.

    Raises:
        UsageError: one file was named, and the run has several suites.
        StoreError: a file cannot be written.
    """
    run = replace(run, manifest=narrowed_manifest(run.manifest, extent))
    logs = [_SuiteLog(store, run, suite, extent) for suite in run.manifest.suites]
    if path.suffix in (".json", ".eval"):
        if len(logs) != 1:
            raise UsageError(
                f"run {run.run_id} has {len(logs)} suites, and a log of inspect_ai has one",
                hint=f"name a folder, which gets a log for each: {path.with_suffix('')}",
            )
        return logs[0].write(path), [path]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make the folder {path}: {error.strerror}", hint="choose another one"
        ) from error
    files = [path / log.file_name for log in logs]
    return sum(log.write(file) for log, file in zip(logs, files, strict=True)), files


@dataclass(frozen=True, slots=True)
class _SuiteLog:
    """One suite of a run as a log."""

    store: Store
    run: RunHead
    suite: str
    extent: Extent

    @property
    def file_name(self) -> str:
        """As inspect_ai names its files: when, what, and an id."""
        when = self.run.created.replace(":", "-")
        return f"{when}_{_file_part(self.suite)}_{self._id('task')}.eval"

    def write(self, path: Path) -> int:
        """Write the log, as the path's ending says; returns the number of completions."""
        with replacing(path) as unfinished:
            if path.suffix == ".json":
                with unfinished.open("w", encoding="ascii") as file:
                    return self._write_json(file)
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
                return self._write_eval(archive)

    def _write_json(self, file: TextIO) -> int:
        file.write(json.dumps(self._header())[:-1] + ', "samples": [')
        count = 0
        for number, sample in enumerate(self._samples()):
            file.write(",\n" * bool(number) + json.dumps(sample))
            count += "error" not in sample
        file.write("]}\n")
        return count

    def _write_eval(self, archive: zipfile.ZipFile) -> int:
        header = self._header()
        start = {name: header[name] for name in ("version", "eval", "plan")}
        archive.writestr("_journal/start.json", json.dumps(start))
        summaries = []
        for sample in self._samples():
            # The reader looks samples up by this name.
            name = f"samples/{sample['id']}_epoch_{sample['epoch']}.json"
            archive.writestr(name, json.dumps(sample))
            summaries.append(_summary(sample))
        archive.writestr("summaries.json", json.dumps(summaries))
        archive.writestr("header.json", json.dumps(header))
        return sum("error" not in summary for summary in summaries)

    def _id(self, what: str) -> str:
        return fingerprint({"what": what, "run": self.run.run_id, "suite": self.suite})[:22]

    def _header(self) -> dict[str, Any]:
        manifest = self.run.manifest
        suite = manifest.suite(self.suite)
        records = [
            record
            for record in self.store.sample_records(self.run)
            if record.place.suite == self.suite and reaches(self.extent, record.place)
        ]
        passes: dict[str, list[bool]] = {}
        for record in records:
            of_question = passes.setdefault(record.place.question_id, [])
            if record.verdict is not None:
                of_question.append(record.verdict.correct)
        answered = [part for part in passes.values() if part]
        rates = [sum(part) / len(part) for part in answered]
        graded = sum(map(len, answered))
        config = {
            "temperature": manifest.temperature,
            "top_p": manifest.top_p,
            "max_tokens": suite.max_tokens,
            "seed": manifest.seed,
        }
        config = {name: value for name, value in config.items() if value is not None}
        usage = _usage_sum(
            _usage(record.prompt_tokens, record.reasoning_tokens, record.answer_tokens)
            for record in records
            if record.verdict is not None and not record.tokens_estimated
        )
        return {
            "version": _LOG_VERSION,
            "status": "success" if self.run.finished else "cancelled",
            "eval": {
                "eval_id": self._id("eval"),
                "run_id": self.run.run_id,
                "created": self.run.created,
                "task": self.suite,
                "task_id": self._id("task"),
                "task_version": 0,
                "task_attribs": {},
                "task_args": {},
                "dataset": {
                    "name": (suite.source and suite.source.name) or self.suite,
                    "samples": len(passes),
                    "sample_ids": list(passes),
                    "shuffled": False,
                },
                "model": self.run.model,
                "model_generate_config": config,
                "model_args": {},
                "config": {"epochs": max(1, suite.samples or 1)},
                "packages": {"lrmtest": version("lrmtest")},
                "metadata": manifest.to_json(),
                "scorers": [{"name": _SCORER, "options": {}, "metrics": [{"name": "accuracy"}]}],
            },
            "plan": {"name": "plan", "steps": [{"solver": "generate"}], "config": config},
            "results": {
                "total_samples": len(records),
                "completed_samples": graded,
                "scores": [
                    {
                        "name": _SCORER,
                        "scorer": _SCORER,
                        "scored_samples": graded,
                        "unscored_samples": len(records) - graded,
                        "metrics": {
                            "accuracy": {"name": "accuracy", "value": sum(rates) / len(rates)}
                        }
                        if rates
                        else {},
                    }
                ],
            },
            "stats": {
                "started_at": self.run.created,
                "completed_at": self.run.finished or self.run.created,
                "model_usage": {self.run.model: usage} if usage else {},
            },
        }

    def _samples(self) -> Iterator[dict[str, Any]]:
        asked = {
            question_id: stored
            for suite, question_id, stored in self.store.questions(
                self.run.run_id, extent=self.extent
            )
            if suite == self.suite
        }
        for stored in self.store.completions(self.run.run_id, extent=self.extent):
            if stored.place.suite == self.suite:
                sample = self._question(stored, asked)
                sample |= _answered(stored, self.run.model, self.run.manifest.reasoning_tags)
                reply = sample["output"]["choices"][0]["message"]
                yield {**sample, "messages": [*sample["messages"], reply]}
        for error in self.store.errors(self.run.run_id, extent=self.extent):
            if error.place.suite == self.suite:
                yield {**self._question(error, asked), "error": _error(error.message)}

    def _question(
        self, stored: StoredCompletion | StoredError, asked: Mapping[str, StoredQuestion]
    ) -> dict[str, Any]:
        found = asked.get(stored.place.question_id, StoredQuestion(None, ()))
        messages = [
            {"role": role, "content": well_formed(text), "source": "input"}
            for role, text in found.prompt
        ]
        question = found.question
        options = None if question is None else question.material.get("options")
        return {
            "id": stored.place.question_id,
            "epoch": stored.place.sample + 1,
            "uuid": stored.place.key[:22],
            "input": messages,
            "messages": messages,
            "target": [] if question is None else list(question.references),
            **({"choices": options} if isinstance(options, list) else {}),
            "metadata": {} if question is None else {"kind": question.kind},
        }


def _answered(stored: StoredCompletion, model: str, tags: Tags) -> dict[str, Any]:
    """What a completion adds to a sample."""
    completion = stored.completion
    content = _content(completion, tags)
    message = {"role": "assistant", "content": content, "source": "generate", "model": model}
    usage = {}
    if completion.completion_tokens and not completion.tokens_estimated:
        usage = _usage(
            completion.prompt_tokens, completion.reasoning_tokens, completion.answer_tokens
        )
    answer = next((part["text"] for part in content if part["type"] == "text"), "")
    return {
        "output": {
            "model": model,
            "choices": [
                {"message": message, "stop_reason": _STOP_REASONS[completion.finish_reason]}
            ],
            "completion": answer,
            **({"usage": usage} if usage else {}),
            **({"time": completion.seconds} if completion.seconds else {}),
        },
        "scores": {} if stored.verdict is None else {_SCORER: _score(stored.verdict, answer)},
        "model_usage": {model: usage} if usage else {},
        **_timing(datetime.fromisoformat(stored.created), completion.seconds),
        "store": {
            "lrmtest:finish_reason": completion.finish_reason,
            "lrmtest:seed": completion.seed,
            "lrmtest:tokens_estimated": completion.tokens_estimated,
        },
    }


def _timing(finished: datetime, seconds: float) -> dict[str, Any]:
    if not seconds:
        return {"completed_at": finished.isoformat()}
    return {
        "started_at": (finished - timedelta(seconds=seconds)).isoformat(),
        "completed_at": finished.isoformat(),
        "total_time": seconds,
    }


def _content(completion: Completion, tags: Tags) -> list[dict[str, Any]]:
    parts = split(completion.text, tags)
    reasoning, answer = parts.reasoning, parts.answer
    if completion.ran_out and not parts.closed:
        # Without a tag this is reasoning that the template opened and nothing closed.
        reasoning, answer = reasoning + answer, ""
    content: list[dict[str, Any]] = []
    if reasoning.strip():
        content.append({"type": "reasoning", "reasoning": well_formed(reasoning.strip())})
    if answer.strip() or not content:
        content.append({"type": "text", "text": well_formed(answer.strip())})
    return content


def _score(verdict: Verdict, answer: str) -> dict[str, Any]:
    return {
        "value": "C" if verdict.correct else "I",
        "answer": None if verdict.extracted is None else well_formed(verdict.extracted),
        "explanation": answer,
        "metadata": {
            "failure": verdict.failure,
            "score": verdict.score,
            "lenient_correct": verdict.lenient_correct,
            "provisional": (
                None if verdict.provisional is None else well_formed(verdict.provisional)
            ),
            "metrics": dict(verdict.metrics),
        },
    }


def _error(message: str) -> dict[str, str]:
    text = well_formed(message)
    return {"message": text, "traceback": text, "traceback_ansi": text}


def _summary(sample: Mapping[str, Any]) -> dict[str, Any]:
    copied = (
        "id",
        "epoch",
        "uuid",
        "target",
        "metadata",
        "scores",
        "model_usage",
        "started_at",
        "completed_at",
        "total_time",
    )
    text = "\n".join(message["content"] for message in sample["input"])
    summary = {name: sample[name] for name in copied if name in sample}
    summary["scores"] = {
        name: {**score, "explanation": score["explanation"][:_SUMMARY_TEXT]}
        for name, score in sample.get("scores", {}).items()
    }
    summary |= {"input": text[:_SUMMARY_TEXT], "completed": True}
    if "error" in sample:
        summary["error"] = sample["error"]["message"]
    return summary


def _usage(prompt: int, reasoning: int, answer: int) -> dict[str, int]:
    return {
        "input_tokens": prompt,
        "output_tokens": reasoning + answer,
        "total_tokens": prompt + reasoning + answer,
        "reasoning_tokens": reasoning,
    }


def _usage_sum(usages: Iterator[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for usage in usages:
        for name, count in usage.items():
            total[name] = total.get(name, 0) + count
    return total


def _file_part(name: str) -> str:
    """A name as part of a file's: the separators of inspect_ai's names are taken out."""
    return "".join(character if character.isalnum() else "-" for character in name)
