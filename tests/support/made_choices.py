"""Rows in the published forms of GPQA, MuSR and BIG-Bench Extra Hard, and of datasets of others."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import replace

import lrmtest.suites.bbeh
import lrmtest.suites.gpqa_diamond
import lrmtest.suites.musr
from lrmtest.questions.released import fingerprint
from lrmtest.questions.rows import Row

GPQA_COLUMNS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def as_csv(rows):
    """The file's bytes, quoted as the hub's libraries do."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def gpqa_rows(count=6):
    """Questions with an answer of two lines, commas, and a wrong answer that is there twice."""
    return [
        {
            "Pre-Revision Question": "?",
            "Question": f"Which of these weighs {n}, about?\nChoose one.",
            "Correct Answer": f"{n} kg, exactly",
            "Incorrect Answer 1": f'{n} "m"\nor so',
            "Incorrect Answer 2": f"{n} s" if n else "0 A",
            "Incorrect Answer 3": f"{n} A\n",
            "Explanation": "A mass has kilograms.",
            "Subdomain": "Mechanics",
            "Record ID": f"recMADE{n}",
            "High-level domain": "Physics",
            "Canary String": "none",
        }
        for n in range(count)
    ]


def musr_rows(domain, count=3):
    """Questions of one domain; the options are written as Python shows a list."""
    options = ["Ann", "Bo's aunt", "Carl"][: 2 if domain == "murder" else 3]
    return [
        {
            "narrative": f"It was night {n} in {domain}.\n\nAnn, who was late, saw nobody.",
            "question": f"Who is it in {domain}?",
            "choices": repr(options),
            "answer_index": str(n % len(options)),
            "answer_choice": options[n % len(options)],
        }
        for n in range(count)
    ]


BBEH_TARGETS = {
    "temporal_sequence": ("150, 2", "0, 0"),
    "boolean_expressions": ("(B)", "(A)"),
    "buggy_tables": ("404.0", "67.75"),
    "web_of_lies": ("no, unknown, yes", "yes, yes, yes"),
    "disambiguation_qa": ("(A)",),
}


def bbeh_rows(task):
    """A task's examples: an option where the target is one."""
    options = "\n(A) Ann likes (B)\n(B) Bo\n(C) no, really\nIt is rounded."
    return [
        {
            "input": f"In {task}, {n}, who is it?{options if target[0] == '(' else ''}\n",
            "target": target,
        }
        for n, target in enumerate(BBEH_TARGETS[task])
    ]


def _gpqa_question(row):
    return lrmtest.suites.gpqa_diamond._question(Row("made", row, ""), 0)


def _bbeh(task):
    return json.dumps({"canary": "none", "examples": bbeh_rows(task)}).encode()


def _bbeh_mini():
    return json.dumps({"examples": [bbeh_rows(task)[0] for task in BBEH_TARGETS]}).encode()


def write(folder):
    """Write all of them into a folder, BIG-Bench Extra Hard as its repository has it."""
    (folder / "gpqa_diamond.csv").write_bytes(as_csv(gpqa_rows()))
    for domain, release in lrmtest.suites.musr.MUSR.items():
        (folder / release.names[0]).write_bytes(as_csv(musr_rows(domain)))
    for task in BBEH_TARGETS:
        file = folder / "bbeh" / "benchmark_tasks" / f"bbeh_{task}" / "task.json"
        file.parent.mkdir(parents=True)
        file.write_bytes(_bbeh(task))
    (folder / "bbeh" / "mini").mkdir()
    (folder / "bbeh" / "mini" / "data.json").write_bytes(_bbeh_mini())


def trust(put=setattr):
    """Take the files that have a hash for those that were released.

    Args:
        put: sets an attribute, for good or as `monkeypatch.setattr` does.
    """
    put(
        lrmtest.suites.musr,
        "MUSR",
        {
            domain: replace(release, rows=3, sha256=_sha256(as_csv(musr_rows(domain))))
            for domain, release in lrmtest.suites.musr.MUSR.items()
        },
    )
    put(lrmtest.suites.bbeh, "_TASKS", {task: _sha256(_bbeh(task)) for task in BBEH_TARGETS})
    put(lrmtest.suites.bbeh, "_FEWER", {task: len(each) for task, each in BBEH_TARGETS.items()})
    mini = replace(
        lrmtest.suites.bbeh.BBEH_MINI, rows=len(BBEH_TARGETS), sha256=_sha256(_bbeh_mini())
    )
    put(lrmtest.suites.bbeh, "BBEH_MINI", mini)


def make(folder, monkeypatch):
    """Write all of them, and take them for what was released."""
    write(folder)
    trust(monkeypatch.setattr)
    known = {each.id: fingerprint(each) for each in map(_gpqa_question, gpqa_rows())}
    monkeypatch.setattr("lrmtest.questions.released.released_fingerprints", lambda name: known)


def _sha256(data):
    return hashlib.sha256(data).hexdigest()
