"""Writes 300 sums, and what three models answer: a parent, one made of it, and one that is lost."""

import json
from pathlib import Path

COUNT = 300
BROKEN, FIXED = 31, 19
"""Sums that the candidate has lost, and those that it has won."""


def right(model: str, number: int) -> bool:
    """Whether a model's answer to a sum is right; the parent's is to three of four."""
    if model == "candidate" and number < 4 * BROKEN and number % 4 == 1:
        return False
    if model == "candidate" and number < 4 * FIXED and number % 4 == 0:
        return True
    return model != "lost" and number % 4 > 0


sums = {f"s{number:03}": (number + 11, 2 * number + 23) for number in range(COUNT)}
rows = [
    json.dumps({"id": name, "sum": f"{one} + {other}", "answer": str(one + other)})
    for name, (one, other) in sums.items()
]
Path("sums.jsonl").write_text("\n".join(rows) + "\n")
for model in ("parent", "candidate", "lost"):
    answers = [
        sum(both) if right(model, number) else "unknown"
        for number, both in enumerate(sums.values())
    ]
    rows = [
        json.dumps({"question": name, "output": f"\\boxed{{{said}}}", "finish_reason": "stop"})
        for name, said in zip(sums, answers, strict=True)
    ]
    Path(f"{model}.jsonl").write_text("\n".join(rows) + "\n")
