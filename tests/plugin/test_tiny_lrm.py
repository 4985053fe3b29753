"""The packaged reasoning model passes its suites, on every engine and as its README says."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import prepared
import pytest

from lrmtest.errors import ModelError
from lrmtest.models.programs.llamacpp import find_llama_server
from lrmtest.models.programs.vllm import find_vllm

pytestmark = pytest.mark.engine

SUITES = Path(__file__).parents[2] / "suites" / "fresh"
COUNT = 50
"""Questions of each family: another seed than any that it was trained or chosen on."""


def missing(engine):
    """Why the engine cannot be used on this machine; None when it can."""
    try:
        if engine == "transformers":
            return None if find_spec("transformers") else "transformers is not installed"
        find_llama_server() if engine == "llamacpp" else find_vllm()
    except ModelError as error:
        return str(error)
    return None


@pytest.mark.usefixtures("quick_vllm")
@pytest.mark.parametrize("engine", ["transformers", "llamacpp", "vllm"])
def test_it_reasons(engine, tmp_path, monkeypatch):
    if reason := missing(engine):
        pytest.skip(reason)
    prepared.forks(monkeypatch, torch=engine == "transformers")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", str(SUITES), "-q", "--tb=no", "-rN"),
            *("-p", "no:cacheprovider", "--model", "tiny-lrm", "--engine", engine),
            *("--fresh-count", str(COUNT), "--fresh-seed", "4711"),
            *("--reports-dir", str(tmp_path), "--summary-json", str(tmp_path / "summary.json")),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode in (0, 1), done.stdout
    (run,) = json.loads((tmp_path / "summary.json").read_text())["runs"]
    assert run["total"]["questions"] == 4 * COUNT
    assert run["total"]["errors"] == 0
    for suite in run["suites"]:
        assert suite["pass_rate"]["value"] >= 0.95, done.stdout
        # It thinks before it answers.
        assert suite["tokens"]["reasoning"]["mean"] > suite["tokens"]["answer"]["mean"]


def test_a_copy_that_hardly_differs_is_paired_with_it_sample_by_sample(tmp_path, monkeypatch):
    """Both runs have the default seed, on one engine; of the copy hardly a text is another."""
    if reason := missing("transformers"):
        pytest.skip(reason)
    copy = ("lrmtest", "compress", "tiny-lrm", "-o", "tiny-pruned", "--method", "magnitude")
    session = (
        *("pytest", str(SUITES / "test_fresh_hops.py"), "-q", "--tb=no", "-rN"),
        *("-p", "no:cacheprovider", "--engine", "transformers", "--temperature", "1"),
        *("--samples", "3", "--fresh-count", "20", "--max-tokens", "64"),
    )
    runs = (
        (*copy, "--sparsity", "0.5"),
        (*session, "--model", "tiny-lrm", "--save-baseline", "base.json"),
        (
            *(*session, "--model", "tiny-pruned", "--baseline", "base.json"),
            *("--gate", "--mde", "0.25", "--token-margin", "off"),
            *("--early-stop", "--summary-json", "s.json"),
        ),
    )
    monkeypatch.chdir(tmp_path)
    for run in runs:
        code, out = prepared.run(*run)
        assert code in (0, 1), out
    (run,) = json.loads((tmp_path / "s.json").read_text())["runs"]
    comparison = run["comparison"]
    assert comparison["paired_by_index"]
    assert comparison["gate"]["outcome"] == "ok"
    # The bets are on pairs, of which none or nearly none differs, and so they end early.
    assert comparison["early_stop"]["looked_at"] < 60
    assert comparison["early_stop"]["baseline_table"] is None
