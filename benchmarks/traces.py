"""The size of traces, and the time that packing and unpacking them takes.

    python benchmarks/traces.py RUN [--reports-dir reports]
    python benchmarks/traces.py base.traces

Of every trace of a run (generated with ``--traces``) or of a traces' file: bytes a token in the
store, the prompt's ids included; of these the completion's ids and the log-probabilities, each
packed alone; and, for a run, the bytes a token that its texts take there.
"""

from __future__ import annotations

import argparse
import time
import zlib
from array import array
from collections.abc import Callable
from pathlib import Path

from lrmtest.models.trace import Trace
from lrmtest.runs.open_traces import open_traces
from lrmtest.runs.store import STORE_NAME, Store
from lrmtest.runs.trace_codec import trace_from_bytes, trace_to_bytes


def fastest(action: Callable[[], object], times: int = 7) -> float:
    """Seconds that it takes when nothing else is in its way."""
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", metavar="RUN|FILE")
    parser.add_argument("--reports-dir", type=Path, default=Path("reports"))
    arguments = parser.parse_args()
    store = arguments.reports_dir / STORE_NAME
    with open_traces(arguments.traces, store) as opened:
        traces = [one.trace for one in opened]
        run_id = opened.head.run.run_id
    tokens = sum(len(trace.tokens) for trace in traces)
    certain = sum(logprob == 0 for trace in traces for logprob in trace.logprobs)
    told = sum(len(trace.logprobs) for trace in traces)
    packed = [trace_to_bytes(trace) for trace in traces]
    packing = fastest(lambda: [trace_to_bytes(trace) for trace in traces])
    unpacking = fastest(lambda: [trace_from_bytes(data) for data in packed])
    none, nothing = array("I"), array("f")
    ids = [Trace(none, trace.tokens, nothing, False) for trace in traces]
    logprobs = [zlib.compress(trace.logprobs.tobytes(), 6) for trace in traces]
    print(f"{len(traces)} traces of {tokens / len(traces):.0f} tokens; of {told} tokens told,")
    print(f"{100 * certain / max(1, told):.0f} % could have been no other (log-probability 0)")
    print(f"bytes a token          {sum(map(len, packed)) / tokens:.2f}")
    print(f"  ids alone            {sum(map(len, map(trace_to_bytes, ids))) / tokens:.2f}")
    print(f"  log-probabilities    {sum(map(len, logprobs)) / tokens:.2f}")
    if not Path(arguments.traces).is_file():
        with Store(store, create=False) as opened_store:
            texts = [
                len(zlib.compress(one.completion.text.encode("utf-8", "surrogatepass"), 3))
                for one in opened_store.completions(run_id)
            ]
        print(f"  (texts in the store  {sum(texts) / tokens:.2f})")
    print(f"packing    {1e9 * packing / tokens:.0f} ns a token")
    print(f"unpacking  {1e9 * unpacking / tokens:.0f} ns a token")


if __name__ == "__main__":
    main()
