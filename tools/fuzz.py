"""A fuzzer for every reader of what comes from outside.

    python tools/fuzz.py                          # the readers' names
    python tools/fuzz.py all --minutes 10         # each for so long, one after the other
    python tools/fuzz.py gguf baseline --minutes 2 --seed 7

Each reader gets a small real file that Hypothesis has damaged: bits, bytes, lines, values and
whole structures, with the numbers and texts that parsers trip over. It may read it or refuse it
with an error of its own. Anything else is a finding: another exception, more than `SECONDS` of
processor time, more than `MEMORY`, an end of the process. The input is kept in ``fuzz-findings``,
what was raised is printed, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import importlib.util
import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from lrmtest.errors import LrmtestError
from lrmtest.grading.completion import Completion
from lrmtest.grading.split import DEFAULT_TAGS
from lrmtest.grading.verdict import Verdict
from lrmtest.models.cards import load_cards, read_card
from lrmtest.models.engines.base import Sampling
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.server_facts import count_tokens, probe
from lrmtest.models.engines.http.sse import EventParser, EventTooLargeError
from lrmtest.models.engines.http.stream import ChatStream
from lrmtest.models.engines.recorded.completion import recorded_completion
from lrmtest.models.engines.recorded.finish_reason import Ends
from lrmtest.models.engines.recorded.recording import Recording
from lrmtest.models.engines.server.kv_memory import config_kv_bytes, gguf_kv_bytes
from lrmtest.models.gguf_header import read_gguf_header
from lrmtest.models.local import measure, tensor_shapes
from lrmtest.models.trace import Trace
from lrmtest.questions import parquet_worker
from lrmtest.questions.place import Place
from lrmtest.questions.question import Question
from lrmtest.questions.rows import parse_rows
from lrmtest.runs.formats.assign import OwnQuestions
from lrmtest.runs.formats.baseline import baseline_text, read_baseline
from lrmtest.runs.formats.detect import detect_format
from lrmtest.runs.formats.evalscope import read_evalscope_log
from lrmtest.runs.formats.harness import read_harness_log, read_harness_results
from lrmtest.runs.formats.imported import check_log, write_log
from lrmtest.runs.formats.inspect_log import read_inspect_log
from lrmtest.runs.formats.jsonl import export_run, import_run
from lrmtest.runs.formats.lighteval import read_lighteval_log
from lrmtest.runs.formats.log import Log
from lrmtest.runs.formats.traces_file import MAGIC, TracesReader, write_traces
from lrmtest.runs.formats.zip_file import ZipMembers
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.readings import Reading
from lrmtest.runs.store import Store
from lrmtest.runs.trace_codec import (
    reading_from_bytes,
    reading_to_bytes,
    trace_from_bytes,
    trace_to_bytes,
)
from lrmtest.suites.inline import questions_from_jsonl

SECONDS = 10.0
MEMORY = 3 << 30
_BATCH = 200
_LOGS = Path(__file__).parents[1] / "tests/runs/formats/logs"
_FINDINGS = Path("fuzz-findings")

_TEXTS: tuple[bytes, ...] = (
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\r", b"\n", b"\xe2\x80\xa8", b"\x1b[2J"),
    *(b"NaN", b"-Infinity", b"1e999", b"-1e999", b"-0", b"9" * 5000, b"1" + b"0" * 400),
    *(b"9223372036854775808", b"18446744073709551616", b"-9223372036854775809", b"1.5", b"1e308"),
    *(b"null", b"true", b"[]", b"{}", b'""', b'"\\ud800"', b'"\\u0000"', b'"\xed\xa0\x80"'),
    *(b"[" * 2000, b'{"a":' * 2000, b"[[]]" * 500, b"a.b." * 500, b'"' * 3, b"'''", b"::error ::"),
    *(
        b"<think>",
        b"</think>" * 50,
        b"\\boxed{",
        b"data: ",
        b"data: [DONE]\n\n",
        b": \n",
        b"PK\x03\x04",
    ),
    *(
        struct.pack("<Q", size)
        for size in (0, 1, 1 << 24, 1 << 31, 1 << 40, 1 << 60, (1 << 64) - 1)
    ),
    *(struct.pack("<I", size) for size in (2, 8, 9, 13, 1 << 24, (1 << 32) - 1)),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**299, 10**400),
    *(
        0.5,
        -1.5,
        1e308,
        float("nan"),
        float("inf"),
        "",
        " ",
        "x",
        "\x00",
        "\ud800",
        "\u202e",
        "7" * 300,
    ),
    *("lrmtest", "length", "stop", "aime", "../../etc/passwd", "\n", "::error ::x", "e\u0301" * 50),
    *([], {}, [[]], [None], [1, 2, 3], ["a"] * 50, {"a": 1}, {"": {"": {}}}, [[[[[[[[]]]]]]]]),
)


@dataclass(frozen=True, slots=True)
class Reader:
    """What is fuzzed.

    Attributes:
        files: makes the real files, by what each is called.
        read: reads the damaged file at a path.
        errors: what it may raise.
    """

    files: Callable[[], Mapping[str, bytes]]
    read: Callable[[Path], object]
    errors: tuple[type[Exception], ...] = field(default=(LrmtestError,))


def damaged(data: st.DataObject, content: bytes) -> bytes:
    """`content` with some damage, of the kind that its format invites."""
    for _ in range(data.draw(st.integers(1, 4))):
        kinds = [_bytes_damaged]
        kinds += [_json_damaged] * 3 if content[:1] in (b"{", b"[") else []
        kinds += [_zip_damaged] * 3 if content[:2] == b"PK" else []
        content = data.draw(st.sampled_from(kinds))(data, content)
    return content


def _bytes_damaged(data: st.DataObject, content: bytes) -> bytes:
    at = data.draw(st.integers(0, len(content)))
    until = min(len(content), at + data.draw(st.sampled_from([0, 1, 4, 8, 50, 1000])))
    match data.draw(st.integers(0, 5)):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + data.draw(st.sampled_from(_TEXTS)) + content[until:]
        case 2:
            return (
                content[:at] + content[at:until] * data.draw(st.integers(0, 50)) + content[until:]
            )
        case 3:
            other = data.draw(st.integers(0, len(content)))
            return content[:at] + content[other : other + until - at] + content[at:]
        case 4:
            return content[:at] + data.draw(st.binary(max_size=9)) + content[until:]
        case _:
            flipped = bytearray(content)
            if flipped:
                flipped[at % len(flipped)] ^= 1 << data.draw(st.integers(0, 7))
            return bytes(flipped)


def _json_damaged(data: st.DataObject, content: bytes) -> bytes:
    """One value replaced, taken out or doubled; of JSON Lines, in one line."""
    lines = content.split(b"\n")
    number = data.draw(st.integers(0, len(lines) - 1)) if _parsed(lines[0]) is not None else None
    value = _parsed(content if number is None else lines[number])
    if value is None:
        return content
    places = list(_places(value))
    if not places:
        return content
    holder, key = places[data.draw(st.integers(0, len(places) - 1))]
    match data.draw(st.integers(0, 3)):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        case 1:
            holder[data.draw(st.sampled_from([*holder, "x"]))] = copy.deepcopy(holder[key])
        case _:
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(_VALUES)))
    text = json.dumps(value).encode()
    if number is None:
        return text
    return b"\n".join([*lines[:number], text, *lines[number + 1 :]])


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (holder, key) in a JSON value."""
    waiting = [value] if isinstance(value, dict | list) else []
    while waiting:
        holder = waiting.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])


def _zip_damaged(data: st.DataObject, content: bytes) -> bytes:
    """One member's content damaged, and the archive written anew."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # damaged already, in one of zipfile's many ways
        return content
    if not members:
        return content
    name = data.draw(st.sampled_from(sorted(members)))
    members[name] = damaged(data, members[name])
    kind = data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]))
    return _zipped(members, kind)


# The readers


@contextmanager
def _store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.sqlite") as store:
        yield store


@cache
def _run_file() -> dict[str, bytes]:
    with _store() as store, tempfile.TemporaryDirectory() as folder:
        manifest = {"suites": {"aime": {"max_tokens": 64}}, "seed": 0, "sampling": {"top_p": 0.9}}
        manifest |= {"temperature": 0.6, "top_p": 0.9}
        store.add_run("run-1", "m", "i", Manifest.from_json(manifest))
        question = Question("q1", "aime", {"problem": "1+1?"}, ("2",), "integer")
        store.add_questions("run-1", [("aime", "q1", question, [("user", "1+1?")])])
        for sample in range(2):
            completion = Completion("<think>a</think>\\boxed{2}", "stop", 5, 7, 3)
            trace = Trace(array("I", [1, 2]), array("I", [70000, 5]), array("f", [-1, -0.5]), True)
            place = Place(f"k{sample}", "aime", "q1", sample)
            store.add_completion("run-1", place, completion, trace=trace)
        store.set_verdicts("run-1", [("k0", Verdict(True, 1.0, "2", None, True))])
        store.add_error("run-1", Place("k2", "aime", "q1", 2), "broke", 3)
        store.finish_run("run-1")
        run = store.run("run-1")
        export_run(store, run, Path(folder) / "run.jsonl", traces=True)
        write_traces(Path(folder) / "run.traces", store, store.record(run))
        figures = array("f", [-0.5, -1])
        reading = Reading(Place("k0", "aime", "q1", 0), figures, figures, figures, figures, figures)
        reading = replace(reading, variation=array("f", [0.5, 1]))
        return {
            "run.traces": (Path(folder) / "run.traces").read_bytes(),
            "one.trace": trace_to_bytes(trace),
            "one.reading": reading_to_bytes(reading),
            "run.jsonl": (Path(folder) / "run.jsonl").read_bytes(),
            "base.json": baseline_text(store.record(run)).encode(),
        }


def _of_known_formats() -> Mapping[str, bytes]:
    own = {name: _run_file()[name] for name in ("run.jsonl", "base.json")}
    return {**own, **_inspect_json()}


def _only(name: str) -> Callable[[], Mapping[str, bytes]]:
    return lambda: {name: _run_file()[name]}


def _read_export(path: Path) -> None:
    with _store() as store:
        run, _ = import_run(store, path)
        store.record(run)


def _read_traces(path: Path) -> None:
    """As it is, and once more with checksums that are right, behind which nobody looks else."""
    try:
        list(TracesReader(path).each())
    except LrmtestError:
        content = path.read_bytes()
        at = content.find(b"\n", len(MAGIC)) + 1
        repaired = bytearray(content)
        while 0 < at <= len(content) - 12:
            sizes = struct.unpack_from("<II", content, at)
            row_and_data = content[at + 12 : at + 12 + sum(sizes)]
            struct.pack_into("<I", repaired, at + 8, zlib.crc32(row_and_data))
            at += 12 + sum(sizes)
        path.write_bytes(repaired)
        list(TracesReader(path).each(but={"k0"}))
        list(TracesReader(path).each())


def _read_bytes_of(path: Path) -> None:
    content = path.read_bytes()
    if path.suffix == ".trace":
        trace_from_bytes(content)
    else:
        reading_from_bytes(content, Place("", "", "", 0))


def _read_recording(path: Path) -> None:
    recording = Recording(path)
    for suite, question in recording.questions():
        for sample in range(recording.samples(suite or "aime", question)):
            output = recording.read(suite or "aime", question, sample)
            if output is not None:
                recorded_completion(output, tags=DEFAULT_TAGS, ends=Ends(budget=64))


def _read_log(log: Log) -> None:
    list(log.samples())
    with _store() as store:
        checked = check_log(log, OwnQuestions(log, "short-text"), DEFAULT_TAGS)
        write_log(store, checked, name="m")


def _read_harness_results(path: Path) -> None:
    for log in read_harness_results(path):
        _read_log(log)


def _harness_file() -> Mapping[str, bytes]:
    (path,) = _LOGS.glob("samples_*.jsonl")
    return {path.name: b"".join(path.read_bytes().splitlines(keepends=True)[:4])}


@cache
def _members() -> dict[str, bytes]:
    """What is in a log of inspect_ai, but for all its samples except two."""
    (path,) = _LOGS.glob("*.eval")
    with ZipMembers(path, "") as archive:
        samples = [name for name in archive.names if name.startswith("samples/")]
        return {name: archive.read(name) for name in archive.names if name not in samples[2:]}


def _harness_results() -> Mapping[str, bytes]:
    (lines,) = _harness_file().values()
    rows = [json.loads(line) for line in lines.splitlines()]
    result = {"results": {}, "samples": {"sums": rows}, "model_name": "m"}
    return {"results_x.json": json.dumps(result).encode()}


def _lighteval_details() -> Mapping[str, bytes]:
    (file,) = _LOGS.rglob("details_sums|0_*.parquet")
    return {"details.parquet": file.read_bytes()}


def _evalscope_rows() -> Mapping[str, bytes]:
    """Rows of both layouts; the older holds its review."""
    (file,) = _LOGS.glob("evalscope/*/predictions/*/*.jsonl")
    choice = {"message": {"content": "2"}, "review": {"gold": "2", "result": True}}
    older = {"index": 9, "answer_id": "a", "raw_input": {"question": "1+1?"}, "choices": [choice]}
    newer = file.read_bytes().splitlines(keepends=True)[:2]
    return {"d.jsonl": b"".join(newer) + json.dumps(older).encode()}


def _inspect_json() -> Mapping[str, bytes]:
    members = _members()
    header = json.loads(members["header.json"])
    header["samples"] = [json.loads(members[name]) for name in members if "samples/" in name]
    return {"log.json": json.dumps(header).encode()}


def _inspect_eval() -> Mapping[str, bytes]:
    (path,) = _LOGS.glob("*.eval")  # as it was written, in Zstandard, and in what Python writes
    return {path.name: path.read_bytes(), "deflated.eval": _zipped(_members())}


def _zipped(members: Mapping[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    written = BytesIO()
    with zipfile.ZipFile(written, "w", kind) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return written.getvalue()


def _gguf() -> Mapping[str, bytes]:
    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    pairs = [
        text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama"),
        text(b"llama.context_length") + struct.pack("<II", 4, 2048),
        text(b"llama.block_count") + struct.pack("<II", 4, 2),
        text(b"tokens") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b"b"),
        text(b"scores") + struct.pack("<IIQ", 9, 6, 2) + struct.pack("<ff", 0.0, 1.0),
        text(b"nested") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 0, 1) + b"x",
    ]
    tensors = [text(b"w") + struct.pack("<IQQIQ", 2, 32, 2, 3, 0)]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    content = head + b"".join(pairs + tensors)
    return {"m.gguf": content + bytes(-len(content) % 32) + bytes(40)}


def _read_gguf(path: Path) -> None:
    gguf_kv_bytes(read_gguf_header(path), "f16")
    measure(path)


_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "max_position_embeddings": 4096,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_size": 64,
    "quantization_config": {"quant_method": "awq", "bits": 4},
    "text_config": {"max_position_embeddings": 8},
}
_TENSORS = {
    "__metadata__": {"format": "pt"},
    "l.qweight": {"dtype": "I32", "shape": [4, 4], "data_offsets": [0, 64]},
    "l.scales": {"dtype": "F16", "shape": [1, 8], "data_offsets": [64, 80]},
}


def _safetensors(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + bytes(80)


def _folder_files() -> Mapping[str, bytes]:
    return {
        "config.json": json.dumps(_CONFIG).encode(),
        "generation_config.json": json.dumps({"temperature": 0.6, "top_p": 0.95}).encode(),
        "model.safetensors.index.json": json.dumps(
            {"metadata": {"total_size": 80}, "weight_map": {"l.qweight": "model.safetensors"}}
        ).encode(),
        "header.json": json.dumps(_TENSORS).encode(),
        "model.safetensors": _safetensors(json.dumps(_TENSORS).encode()),
    }


def _read_folder(path: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for other, content in _folder_files().items():
            if other != "header.json":
                (folder / other).write_bytes(content)
        if path.name == "header.json":
            (folder / "model.safetensors").write_bytes(_safetensors(path.read_bytes()))
        else:
            (folder / path.name).write_bytes(path.read_bytes())
        measure(folder)
        config_kv_bytes(folder, "auto")
        tensor_shapes(folder / "model.safetensors")


_CARD = b"""name = "m"
engine = "vllm"
parameters = 8.0
context_length = 4096
temperature = 0.6
reasoning_tags = ["<think>", "</think>"]
aliases = ["a", "b"]
[compression]
method = "awq"
bits_per_weight = 4.25
[checkpoint]
path = "weights"
"""
_CARDS = b"[models.m]\n" + _CARD.replace(b'name = "m"\n', b"").replace(b"\n[", b"\n[models.m.")


def _stream_files() -> Mapping[str, bytes]:
    def event(delta: Any, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"

    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 9,
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    message = {"reasoning_content": "r", "content": "<think>a</think>b"}
    return {
        "events": b": hi\r\n\r\n"
        + event({"role": "assistant", "reasoning_content": "hm"})
        + event({"content": "a</think>"})
        + event({"content": "b"}, "stop")
        + b"data: "
        + json.dumps({"choices": [], "usage": usage}).encode()
        + b"\n\n"
        + b"data: [DONE]\n\n",
        "answer.json": json.dumps(
            {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
        ).encode(),
        "error.json": json.dumps({"error": {"message": "no", "code": 400}}).encode(),
    }


@cache
def _client() -> ChatClient:
    return ChatClient(Endpoint("http://127.0.0.1:9/v1"), timeout=1.0)


def _read_stream(path: Path) -> None:
    stream, content = ChatStream(DEFAULT_TAGS, 64), path.read_bytes()
    if path.suffix == ".json":
        stream.add(_client()._checked(content))
        stream.ended = True
    else:
        parser = EventParser()
        for begin in range(0, len(content), 7):
            for each in parser.feed(content[begin : begin + 7]):
                _client()._take(each, stream)
        for each in parser.finish():
            _client()._take(each, stream)
    stream.reply().text.encode()


def _facts_files() -> Mapping[str, bytes]:
    answers = {
        "/models": {
            "data": [
                {"id": "x", "owned_by": "llamacpp", "max_model_len": 9, "meta": {"ftype": "Q4"}}
            ]
        },
        "/props": {
            "build_info": "b1",
            "total_slots": 2,
            "chat_template": "{{ x }}",
            "default_generation_settings": {"n_ctx": 4096},
        },
        "/version": {"version": "1"},
        "/get_server_info": {"version": "2"},
        "/tokenize": {"tokens": [1, 2], "count": 2},
    }
    served = json.loads(json.dumps(answers))
    served["/models"]["data"][0]["owned_by"] = "vllm"
    return {"llamacpp.json": json.dumps(answers).encode(), "vllm.json": json.dumps(served).encode()}


class _Answering:
    """Stands in for a `ChatClient`: answers come from a file."""

    endpoint = Endpoint("http://127.0.0.1:9/v1")

    def __init__(self, answers: object) -> None:
        self._answers = answers if isinstance(answers, dict) else {}

    async def get(self, url: str) -> Any:
        """The answer to a path's last part; a refusal without one."""
        name = "/" + url.rpartition("/")[2]
        if name not in self._answers:
            raise RefusedError("not found", status=404)
        return self._answers[name]

    async def post(self, url: str, _content: Mapping[str, Any]) -> Any:
        """As `get`."""
        return await self.get(url)


def _read_facts(path: Path) -> None:
    client: Any = _Answering(_parsed(path.read_bytes()))

    async def ask() -> None:
        facts = await probe(client, None)
        json.dumps(facts.body(Sampling(64, 0.6, 0.95)))
        json.dumps([facts.model, facts.version, facts.details, facts.context_length, facts.slots])
        await count_tokens(client, facts, "text")

    # On a thread of its own: a loop may run on this one already, of a browser's tests for example.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, ask()).result()


_QUESTIONS = b"".join(
    json.dumps(row).encode() + b"\n"
    for row in (
        {"id": "a", "question": "1+1?", "answer": "2", "kind": "integer"},
        {"id": 2, "question": "which?", "answer": "B", "kind": "option", "options": ["x", "y"]},
        {"id": "c", "question": "who?", "answer": ["Paris", "City of Light"], "kind": "short-text"},
        {"id": "d", "question": "true?", "answer": "True", "kind": "label"},
    )
)


def _question_files() -> Mapping[str, bytes]:
    rows = [json.loads(line) for line in _QUESTIONS.splitlines()]
    files = {
        "q.jsonl": _QUESTIONS,
        "list.json": json.dumps({"examples": rows}).encode(),
    }
    if importlib.util.find_spec("pyarrow") is not None:
        arrow, parquet = __import__("pyarrow"), importlib.import_module("pyarrow.parquet")
        table = arrow.table({"id": ["a", "b"], "question": ["1", "2"], "answer": ["3", "4"]})
        written = BytesIO()
        parquet.write_table(table, written)
        files["q.parquet"] = written.getvalue()
    return files


def _read_questions(path: Path) -> None:
    if path.suffix == ".jsonl":
        for question in questions_from_jsonl(path, suite="s").questions:
            json.dumps([question.id, question.references]).encode()
        return
    for row in parse_rows(path.read_bytes(), path.name, hint="h"):
        row.text("question")


# Trials of Parquet files

_FORKING = """\
import json, os, runpy, sys
import pyarrow.parquet

for line in sys.stdin:
    words, folder = json.loads(line)
    child = os.fork()
    if child == 0:
        files = (("in", os.O_RDONLY), ("out", os.O_WRONLY), ("error", os.O_WRONLY))
        for own, (name, mode) in enumerate(files):
            os.dup2(os.open(os.path.join(folder, name), mode), own)
        sys.stdin, sys.argv = open(0), words
        try:
            runpy.run_path(words[0], run_name="__main__")
        except SystemExit as end:
            os._exit(end.code)  # to take Python apart copies its memory, and takes longest
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""A program that runs a script in a fork of itself, for each line that it is given."""


@contextmanager
def forked_trials() -> Iterator[None]:
    """Each trial of a Parquet file is a fork of one process that has imported pyarrow.

    It is a process of its own as before, with limits of its own. But most damaged files are refused
    in a moment, and to import pyarrow for each takes longer than all else.
    """
    begin = subprocess.run
    forking: subprocess.Popen[bytes] | None = None

    def run(args: Any, **options: Any) -> subprocess.CompletedProcess[bytes]:
        nonlocal forking
        if args[:-2] != [sys.executable, "-P", parquet_worker.__file__]:
            return begin(args, **options)
        forking = forking or stack.enter_context(_forking())
        return _forked(forking, args, options["input"] or b"", options["timeout"])

    with ExitStack() as stack, patch.object(subprocess, "run", run):
        yield


@contextmanager
def _forking() -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    # A pool of threads, such as numpy's, cannot be forked.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    words = [sys.executable, "-P", "-c", _FORKING]
    with subprocess.Popen(words, bufsize=0, stdin=pipe, stdout=pipe, env=environment) as process:
        yield process


def _forked(
    forking: subprocess.Popen[bytes], args: list[str], content: bytes, seconds: float
) -> subprocess.CompletedProcess[bytes]:
    assert forking.stdin is not None
    assert forking.stdout is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").write_bytes(content)
        for each in ("out", "error"):
            (folder / each).touch()
        forking.stdin.write(json.dumps([args[2:], name]).encode() + b"\n")
        child = int(forking.stdout.readline())
        if not select.select([forking.stdout], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)
            forking.stdout.readline()
            raise subprocess.TimeoutExpired(args, seconds)
        status = int(forking.stdout.readline())
        return subprocess.CompletedProcess(args, status, b"", (folder / "error").read_bytes())


READERS: dict[str, Reader] = {
    "baseline": Reader(_only("base.json"), lambda path: list(read_baseline(path).outcomes)),
    "export": Reader(_only("run.jsonl"), _read_export),
    "traces": Reader(_only("run.traces"), _read_traces),
    "trace": Reader(_only("one.trace"), _read_bytes_of, (ValueError,)),
    "reading": Reader(_only("one.reading"), _read_bytes_of, (ValueError,)),
    "recording": Reader(_only("run.jsonl"), _read_recording),
    "lm-eval": Reader(_harness_file, lambda path: _read_log(read_harness_log(path))),
    "lm-eval-results": Reader(_harness_results, _read_harness_results),
    "lighteval": Reader(
        _lighteval_details, lambda path: _read_log(read_lighteval_log(path, DEFAULT_TAGS))
    ),
    "evalscope": Reader(
        _evalscope_rows, lambda path: _read_log(read_evalscope_log(path, DEFAULT_TAGS))
    ),
    "inspect-json": Reader(_inspect_json, lambda path: _read_log(read_inspect_log(path))),
    "inspect-eval": Reader(_inspect_eval, lambda path: _read_log(read_inspect_log(path))),
    "format": Reader(_of_known_formats, detect_format),
    "card": Reader(lambda: {"lrmtest-card.toml": _CARD}, lambda path: read_card(path, {})),
    "cards": Reader(lambda: {"cards.toml": _CARDS}, lambda path: load_cards([path])),
    "pyproject": Reader(
        lambda: {"pyproject.toml": _CARDS.replace(b"[models", b"[tool.lrmtest.models")},
        lambda path: load_cards((), path),
    ),
    "gguf": Reader(_gguf, _read_gguf),
    "checkpoint": Reader(_folder_files, _read_folder),
    "stream": Reader(
        _stream_files, _read_stream, (BrokenAnswerError, RefusedError, EventTooLargeError)
    ),
    "server-facts": Reader(
        _facts_files, _read_facts, (LrmtestError, BrokenAnswerError, RefusedError)
    ),
    "questions": Reader(_question_files, _read_questions),
}


class Finding(Exception):
    """A reader did something else than read or refuse."""


def check(reader: Reader, data: st.DataObject, folder: Path) -> None:
    """Let `reader` read one damaged file.

    Args:
        reader: the reader.
        data: what Hypothesis draws from.
        folder: where the file is put.

    Raises:
        Finding: see the module's docstring.
    """
    name, content = data.draw(st.sampled_from(sorted(reader.files().items())))
    content = damaged(data, content)
    own = Path(tempfile.mkdtemp(dir=folder))  # readers remember files by their names and times
    path = own / name
    path.write_bytes(content)
    start = time.thread_time()
    try:
        reader.read(path)
    except reader.errors as error:
        str(error).encode("utf-8", "surrogatepass")
    except Exception as error:
        raise Finding(f"{name}: {type(error).__name__}: {error}") from error
    finally:
        took = time.thread_time() - start
        if took > SECONDS:
            (folder / "slow").write_bytes(content)
        path.unlink()
        own.rmdir()
    if took > SECONDS:
        raise Finding(f"{name}: {took:.1f} s")


def fuzz(name: str, minutes: float, start: int) -> int:
    """Fuzz one reader in this process, until the time is over or something is found.

    Returns:
        0, or 1 when something was found.
    """
    reader, until, number, count = READERS[name], time.monotonic() + 60 * minutes, start, 0
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder, forked_trials():
        while time.monotonic() < until:
            number += 1

            @seed(number)
            @settings(
                max_examples=_BATCH,
                database=None,
                deadline=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )
            @given(st.data())
            def batch(data: st.DataObject) -> None:
                nonlocal count
                count += 1
                check(reader, data, Path(folder))

            try:
                batch()
            except BaseException:
                _FINDINGS.mkdir(exist_ok=True)
                report = _FINDINGS / f"{name}-{number}.txt"
                report.write_text(traceback.format_exc(), errors="replace")
                traceback.print_exc()
                print(f"{name}: found after {count:,} inputs: {report}", flush=True)
                return 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{name}: {count:,} inputs in {minutes:g} min, nothing found; {peak} MiB", flush=True)
    return 0


def main() -> int:
    """Fuzz the readers that were named, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("readers", nargs="*", metavar="READER")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    names = list(READERS) if arguments.readers == ["all"] else arguments.readers
    if not names or not set(names) <= set(READERS):
        print(*READERS, sep="\n")
        return 2
    found = 0
    for name in names:
        child = os.fork()
        if child == 0:
            os._exit(fuzz(name, arguments.minutes, arguments.seed))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status not in (0, 1):
            print(f"{name}: the process ended with {status}", flush=True)
        found |= status != 0
    return found


if __name__ == "__main__":
    sys.exit(main())
