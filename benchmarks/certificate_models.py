"""The certificate against what generating shows: `python benchmarks/certificate_models.py`.

tiny-lrm answers generated questions at temperature 1 and keeps its traces. Variants of it, pruned
and quantized, read them (`lrmtest certify`) and answer the same questions themselves. A row has S,
the bound on the drop of the pass rate over all suites, whether all claims are certified, the drop
that generating shows with its 95 % interval, and the tokens of both. The command ends with status 1
where a bound lies below the interval of the drop.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

VARIANTS = (
    ("as it is", ()),
    ("Q8_0", ("--method", "gguf", "--type", "Q8_0")),
    ("Q4_0", ("--method", "gguf", "--type", "Q4_0")),
    *(
        (f"magnitude {share}", ("--method", "magnitude", "--sparsity", share))
        for share in ("0.3", "0.5", "0.6", "0.7")
    ),
)


def command(*words: str, statuses: tuple[int, ...] = (0,)) -> float:
    """Run a command of lrmtest's or pytest; its seconds."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=False
    )
    if done.returncode not in statuses:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return time.monotonic() - begun


def main() -> int:
    """Print a row for each variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where runs, variants and traces go")
    parser.add_argument("--questions", default="120", help="most questions of each suite")
    parser.add_argument("--samples", default="4", help="of each question")
    parser.add_argument("--top-p", default="1")
    given = parser.parse_args()
    folder = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    store = ("--reports-dir", str(folder / "reports"))
    asked = (
        *("pytest", "-q", "--tb=no", "-rN", "-p", "no:cacheprovider", "--pyargs"),
        *("lrmtest.suites.fresh", *store, "--fresh-count", given.questions),
        *("--samples", given.samples, "--temperature", "1", "--top-p", given.top_p),
        *("--engine", "transformers"),
    )
    baseline = folder / "parent.json"
    if not baseline.exists():
        saving = ("--save-baseline", str(baseline), "--save-traces", str(folder / "parent.traces"))
        command(*asked, "--model", "tiny-lrm", "--traces", *saving, statuses=(0, 1))
    print(
        "variant | S | bound, points | certified | excluded | drop, points [95 %] "
        "| tokens read | generated | seconds reading | generating"
    )
    holds = True
    for name, options in VARIANTS:
        model = str(folder / name.replace(" ", "-").lower())
        if not options:
            model = "tiny-lrm"
        elif not Path(model).exists():
            command("lrmtest", "compress", "tiny-lrm", "-o", model, *options)
        said, shown = folder / "certificate.json", folder / "summary.json"
        reading = command(
            *("lrmtest", "certify", model, *store, "--baseline", str(baseline)),
            *("--engine", "transformers", "--json", str(said)),
            statuses=(0, 10),
        )
        generating = command(
            *(*asked, "--model", model, "--seed", "1", "--baseline", str(baseline)),
            *("--gate", "--summary-json", str(shown)),
            statuses=(0, 1, 10, 12),
        )
        certificate = json.loads(said.read_text())["certificate"]
        [run] = json.loads(shown.read_text())["runs"]
        holds = row(name, certificate, run, reading, generating) and holds
    return 0 if holds else 1


def row(
    name: str, certificate: dict[str, Any], run: dict[str, Any], reading: float, generating: float
) -> bool:
    """Print a variant's row; whether its bound is not below the drop's interval."""
    first = certificate["bounds"][0]
    change = run["comparison"]["total"]["failed"]
    low, high = change["interval"]["low"], change["interval"]["high"]
    excluded = sum(bound["outcome"] == "ok" for bound in certificate["bounds"])
    tokens = run["comparison"]["total"]["tokens"]
    read = tokens["baseline_mean"] * certificate["traces"]
    generated = tokens["candidate_mean"] * run["comparison"]["total"]["candidate_samples"]
    print(
        f"{name} | {certificate['variation']:.3g} | {100 * first['highest']:.1f} "
        f"| {'yes' if certificate['certified'] else 'no'} "
        f"| {excluded} of {len(certificate['bounds'])} "
        f"| {100 * change['worsening']:.1f} [{100 * low:.1f}, {100 * high:.1f}] "
        f"| {read:,.0f} | {generated:,.0f} | {reading:.0f} | {generating:.0f}",
        flush=True,
    )
    return bool(first["highest"] >= low)


if __name__ == "__main__":
    sys.exit(main())
