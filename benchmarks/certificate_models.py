"""The certificate against what generating shows: `python benchmarks/certificate_models.py FOLDER`.

A parent, tiny-lrm unless told otherwise, answers generated questions at temperature 1 and keeps its
traces. Variants of it, rounded, quantized and pruned, read them (`lrmtest read`, `lrmtest certify`)
and answer the same questions themselves: all of them, until a sequential gate decides, and until it
does after reading. A row has S, the KL divergence, the bound on the drop of the pass rate over all
suites, whether all claims are certified, the drop that generating shows with its 95 % interval, the
tokens to a verdict without reading and with it, and how long reading all traces takes as a share of
generating all samples; both include starts.

What is there already in FOLDER is not made again. Rounding needs the method of
`tests/outside/rounding_method`, installed. The command ends with status 1 where a bound lies below
the interval of the drop, or where S is at most 0.05 and something was generated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

LEAST_VARIATION = 0.05
"""S up to which a verdict may take no token."""
_GATED = (0, 1, 10, 12)


def options_of(variant: str) -> tuple[str, ...]:
    """What `lrmtest compress` is told for a variant such as ``rounding:4``, ``gguf:Q8_0``."""
    method, _, value = variant.partition(":")
    name = {"rounding": "--bits", "gguf": "--type"}.get(method, "--sparsity")
    return ("--method", method, name, value)


VARIANTS = (
    "seed",
    *(f"rounding:{bits}" for bits in (8, 5, 4, 3)),
    *(f"gguf:{kind}" for kind in ("F16", "Q8_0", "Q6_K", "Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K")),
    *(f"magnitude:{share}" for share in ("0.3", "0.5", "0.6", "0.65", "0.7", "0.8")),
)
"""``seed`` is the parent itself, with other seeds."""


def _questions(given: argparse.Namespace) -> tuple[str, ...]:
    """What pytest is told to ask: tests of one's own, or suites of lrmtest's."""
    if given.tests:
        return (str(given.tests), "--limit", given.questions)
    return (
        "--pyargs",
        *(f"lrmtest.suites.{suite}" for suite in given.suite.split(",")),
        *("--fresh-count", given.questions, "--max-tokens", given.max_tokens),
    )


def command(*words: str, statuses: tuple[int, ...] = (0,)) -> float:
    """Run a command of lrmtest's or pytest; its seconds."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=False
    )
    if done.returncode not in statuses:
        raise RuntimeError(
            f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return time.monotonic() - begun


class Models:
    """Runs all that a row needs, in one folder, with one parent on one engine."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.parent = given.model
        self._folder: Path = given.folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._store = ("--reports-dir", str(self._folder / "reports"))
        self._engine = ("--engine", given.engine)
        self._parents_engine = ("--engine", given.parents_engine or given.engine)
        self._pairs = given.engine == "transformers"
        self.verdicts = not given.without_verdicts
        self._asked = (
            *("pytest", "-q", "--tb=no", "-rN", "-p", "no:cacheprovider"),
            *_questions(given),
            *("--samples", given.samples, "--temperature", "1", "--top-p", given.top_p),
        )
        self._baseline = self._folder / "parent.json"
        self._shown = self._folder / "summary.json"

    def make_baseline(self) -> None:
        """Have the parent write its traces."""
        if self._baseline.exists():
            return
        traces = str(self._folder / "parent.traces")
        command(
            *(*self._asked, *self._parents_engine, *self._store, "--model", self.parent),
            "--traces",
            *("--save-baseline", str(self._baseline), "--save-traces", traces),
            statuses=(0, 1),
        )

    def variant(self, name: str) -> str:
        """The model that a variant is; made if it is not there."""
        if name == "seed":
            return self.parent
        folder = self._folder / name.replace(":", "-").lower()
        if not folder.exists():
            command("lrmtest", "compress", self.parent, "-o", str(folder), *options_of(name))
        return str(folder)

    def certified(self, model: str) -> tuple[dict[str, Any], float]:
        """A model's certificate, and the seconds of reading."""
        said = self._folder / "certificate.json"
        seconds = command(
            *("lrmtest", "certify", model, *self._store, "--baseline", str(self._baseline)),
            *(*self._engine, "--json", str(said)),
            statuses=(0, 10),
        )
        return json.loads(said.read_text())["certificate"], seconds

    def read(self, model: str) -> dict[str, Any]:
        """What reading says, exact where both models can be read side by side."""
        said = self._folder / "reading.json"
        beside = ("--parent", self.parent) if self._pairs else ()
        command(
            *("lrmtest", "read", model, *self._store, "--traces", str(self._baseline)),
            *(*self._engine, *beside, "--json", str(said)),
        )
        total: dict[str, Any] = json.loads(said.read_text())["total"]
        return total

    def gated(self, model: str, *more: str, store: str = "reports") -> tuple[dict[str, Any], float]:
        """A run of a model's own with the gate, and its seconds; in another store it is anew."""
        folder = ("--reports-dir", str(self._folder / store))
        seconds = command(
            *(*self._asked, *self._engine, *folder, "--model", model, "--seed", "1"),
            *("--baseline", str(self._baseline), "--gate", *more),
            *("--summary-json", str(self._shown)),
            statuses=_GATED,
        )
        [run] = json.loads(self._shown.read_text())["runs"]
        return run, seconds


def row(models: Models, name: str) -> bool:
    """Print a variant's row; whether it is as it must be."""
    model = models.variant(name)
    certificate, reading = models.certified(model)
    read = models.read(model)
    gates = []
    if models.verdicts:
        gates.append(models.gated(model, "--early-stop", "--fresh-run", store="early")[0])
        gates.append(models.gated(model, "--early-stop", "--read", "--fresh-run")[0])
    whole, generating = models.gated(model, store="whole")
    change = whole["comparison"]["total"]["failed"]
    low, high = change["interval"]["low"], change["interval"]["high"]
    bounds = certificate["bounds"]
    first = bounds[0] if bounds else None
    excluded = sum(bound["outcome"] == "ok" for bound in bounds)
    verdicts = [
        f"{run['timing']['generated_tokens']:,} {run['comparison']['gate']['outcome']}"
        for run in gates
    ] or ["-", "-"]
    bound = "none" if first is None else f"{100 * first['highest']:.1f}"
    print(
        f"{name} | {_range(read)} | {_number(read['divergence'])} | {bound} "
        f"| {'yes' if certificate['certified'] else 'no'}, {excluded} of {len(bounds)} "
        f"| {100 * change['worsening']:.1f} [{100 * low:.1f}, {100 * high:.1f}] "
        f"| {verdicts[0]} | {verdicts[1]} | {read['tokens']:,} "
        f"| {reading / generating:.2f} ({reading:.0f} / {generating:.0f})",
        flush=True,
    )
    for gap in certificate["gaps"]:
        print(f"    {gap}", flush=True)
    near = read["s_high"] <= LEAST_VARIATION and not certificate["gaps"]
    silent = not (near and gates) or gates[-1]["timing"]["generated_tokens"] == 0
    return silent and (first is None or bool(certificate["gaps"]) or first["highest"] >= low)


def _range(read: dict[str, Any]) -> str:
    low, high = read["s_low"], read["s_high"]
    mark = "" if read["s_exact"] else "~"
    return f"{mark}{low:.3g}" if low == high else f"{low:.3g}..{high:.3g}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def main() -> int:
    """Print a row for each variant."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where runs, variants and traces go")
    parser.add_argument("--model", default="tiny-lrm", help="the parent")
    parser.add_argument("--engine", default="transformers", help="of the variants")
    parser.add_argument("--parents-engine", help="of the parent; default: the same")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="which, with commas")
    parser.add_argument("--suite", default="fresh", help="which suites, with commas")
    parser.add_argument("--tests", type=Path, help="a folder of tests, in place of suites")
    parser.add_argument("--questions", default="120", help="most questions of each suite")
    parser.add_argument("--samples", default="4", help="of each question")
    parser.add_argument("--max-tokens", default="512", help="of each sample")
    parser.add_argument("--top-p", default="1")
    parser.add_argument("--without-verdicts", action="store_true", help="no sequential gates")
    given = parser.parse_args()
    models = Models(given)
    models.make_baseline()
    print(
        "variant | S | KL/token | bound, points | certified, claims | drop, points [95 %] | tokens "
        "to a verdict | after reading | tokens read | reading / generating (seconds)",
        flush=True,
    )
    holds = True
    for name in given.variants.split(","):
        try:
            holds = row(models, name) and holds
        except RuntimeError as error:
            print(f"{name} | {str(error)[-600:]}", flush=True)
            holds = False
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
