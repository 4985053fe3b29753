"""The stand-in for vLLM on a GPU, and the benchmark that measures with it."""

import asyncio
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def url():
    command = [sys.executable, BENCHMARKS / "gpu_stand_in.py", "--rate", "20000"]
    command += ["--max-num-seqs", "4", "--length", "40", "--spread", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.terminate()


def body(prompt="Say this: seven", **more):
    return {"model": "bench", "messages": [{"role": "user", "content": prompt}], **more}


def events_of(answer):
    """The JSON objects of a stream."""
    lines = [line for line in answer.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines.pop() == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


@pytest.mark.parametrize("budget", [1, 2, 3, 39, 40, 41, 400])
def test_a_stream_has_the_tokens_that_it_counts(url, budget):
    counting = {"include_usage": True, "continuous_usage_stats": True}
    more = {"max_tokens": budget, "seed": 3, "temperature": 1.0}
    asked = body(**more, stream=True, stream_options=counting)
    first, *pieces, usage = events_of(httpx.post(f"{url}/chat/completions", json=asked))
    whole = httpx.post(f"{url}/chat/completions", json=body(**more)).json()
    (choice,) = whole["choices"]
    tokens = min(budget, 40)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    counts = [piece["usage"]["completion_tokens"] for piece in pieces]
    assert counts == (list(range(1, tokens + 1)) if tokens > 1 else [1, 1])
    assert usage["choices"] == []
    assert usage["usage"] == whole["usage"]
    assert whole["usage"]["completion_tokens"] == tokens
    told = [piece["choices"][0]["finish_reason"] for piece in pieces]
    assert told == [None] * (len(told) - 1) + [choice["finish_reason"]]
    assert choice["finish_reason"] == ("stop" if budget > 40 else "length")
    text = "".join(piece["choices"][0]["delta"]["content"] for piece in pieces)
    assert text == choice["message"]["content"]
    assert text.startswith("seven")
    assert text.endswith("Answer: seven") == (budget > 40)


def run(coroutine):
    """What a coroutine returns, in a thread: a browser's loop may be running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def test_every_event_is_in_an_http_chunk_of_its_own(url):
    async def received():
        host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        data = json.dumps(body(stream=True, max_tokens=20)).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n"
        writer.write(head.encode() + b"\r\n" + data)
        await reader.readuntil(b"\r\n\r\n")
        chunks = []
        while size := int(await reader.readline(), 16):
            chunks.append(await reader.readexactly(size))
            assert await reader.readexactly(2) == b"\r\n"
        writer.close()
        return chunks

    chunks = run(received())
    assert len(chunks) == 22  # the role, 20 tokens, the end
    assert all(each.startswith(b"data: ") and each.count(b"\n\n") == 1 for each in chunks)


def test_it_queues_what_the_batch_does_not_hold_and_counts_all(url):
    def counters():
        text = httpx.get(f"{url.removesuffix('/v1')}/metrics").text
        return {
            line.split("{")[0].split()[0]: float(line.split()[-1]) for line in text.splitlines()
        }

    async def ask():
        async with httpx.AsyncClient(timeout=60) as client:
            asked = [
                client.post(f"{url}/chat/completions", json=body(max_tokens=30, stream=number % 2))
                for number in range(12)
            ]
            return await asyncio.gather(*asked)

    before = counters()["vllm:generation_tokens_total"]
    assert all(answer.status_code == 200 for answer in run(ask()))
    after = counters()
    assert after["vllm:generation_tokens_total"] == before + 12 * 30
    assert after["vllm:num_requests_running"] == after["vllm:num_requests_waiting"] == 0


def test_the_prompt_and_the_seed_tell_the_text(url):
    def text(**more):
        answer = httpx.post(f"{url}/chat/completions", json=body(max_tokens=30, **more))
        return answer.json()["choices"][0]["message"]["content"]

    assert text(temperature=0) == text(temperature=0, seed=5)
    assert text(temperature=1, seed=5) == text(temperature=1, seed=5)
    assert len({text(temperature=1, seed=seed) for seed in range(8)}) > 1
    assert text(temperature=0) != text(temperature=0, prompt="Say that: seven")


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/chat/completions", b"{", 400),
        ("/chat/completions", json.dumps(body(max_tokens=10**9)).encode(), 400),
        ("/chat/completions", json.dumps({**body(), "model": "other"}).encode(), 404),
        ("/nothing", b"{}", 404),
    ],
)
def test_it_refuses_what_vllm_refuses(url, path, sent, status):
    assert httpx.post(f"{url}{path}", content=sent).status_code == status


def test_rate_measures_every_contender_against_it(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "rate.py"), "--rates", "4000", "--rounds", "1"]
    command += ["--questions", "40", "--in-flight", "20", "--tokens", "30", "--seconds", "2"]
    command += ["--only", "bare", "bare-streamed", "lrmtest", "--json", str(tmp_path / "found")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads((tmp_path / "found").read_text())
    rows = {row["contender"]: row for row in found["rows"]}
    assert list(rows) == ["bare", "bare-streamed", "lrmtest"]
    assert rows["bare"]["tokens"] == rows["bare-streamed"]["tokens"]
    assert rows["lrmtest"]["tokens"] > rows["bare"]["tokens"]  # the self-test's are beside
    assert all(row["rate"] > 0 and row["memory"] > 1 and row["ratio"] > 0 for row in rows.values())
