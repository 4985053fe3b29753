"""What is in the file that W&B's client writes offline: frames of LevelDB's log format around
records of the client's own protocol.
"""

from __future__ import annotations

import json
from pathlib import Path

_BLOCK = 32768
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def records_in(path: Path) -> list:
    """The records, read by the client's own classes."""
    from wandb.proto import wandb_internal_pb2

    data = path.read_bytes()
    assert data[:4] == b":W&B"
    place, records, parts = 7, [], []
    while place + 7 <= len(data):
        if _BLOCK - place % _BLOCK < 7:
            place += _BLOCK - place % _BLOCK
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        if not kind:
            break
        parts.append(data[place + 7 : place + 7 + length])
        place += 7 + length
        if kind in (_FULL, _LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(b"".join(parts))
            records.append(record)
            parts = []
    return records


def read_back(path: Path) -> dict:
    """Project, name, config, the last value of each figure, and the names of artifacts."""
    found = {"config": {}, "summary": {}, "artifacts": []}
    for record in records_in(path):
        if record.HasField("run"):
            found["project"], found["name"] = record.run.project, record.run.display_name
            for item in record.run.config.update:
                found["config"][item.key] = json.loads(item.value_json)
        for item in record.summary.update:
            key = "/".join(item.nested_key) or item.key
            found["summary"][key] = json.loads(item.value_json)
        for item in record.history.item:
            key = "/".join(item.nested_key) or item.key
            found["summary"].setdefault(key, json.loads(item.value_json))
        if record.HasField("artifact"):
            found["artifacts"].append((record.artifact.name, record.artifact.type))
    return found
