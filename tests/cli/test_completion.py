"""Completion in real shells."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from exported_run import fill

from lrmtest.runs.store import Store

BINARIES = Path(sys.executable).parent
BASH = """
eval "$(register-python-argcomplete lrmtest)"
COMP_LINE=$LINE COMP_POINT=${#LINE} COMP_TYPE=9
read -ra COMP_WORDS <<< "$LINE"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
$(complete -p lrmtest | sed -E 's/.* -F ([^ ]+).*/\\1/') lrmtest
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = """
register-python-argcomplete --shell fish lrmtest | source
complete -C "$LINE"
"""


@pytest.fixture
def completed(tmp_path):
    """What a shell offers for a line, in a folder with a store."""
    with Store(tmp_path / "reports" / "lrmtest.sqlite") as store:
        run_id = fill(store).run_id
    (tmp_path / "baseline.json").write_text("{}")

    def complete(line, shell="bash"):
        script = BASH if shell == "bash" else FISH
        done = subprocess.run(
            [shell, "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{BINARIES}:{os.environ['PATH']}", "LINE": line},
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        assert "Traceback" not in done.stderr
        # fish shows behind a tab what each is.
        words = [line.partition("\t")[0].strip() for line in done.stdout.splitlines()]
        return {word for word in words if word}

    return complete, run_id


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_completes_commands_and_runs(completed, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    complete, run_id = completed
    assert complete("lrmtest sh", shell) == {"show"}
    assert complete(f"lrmtest show {run_id[:4]}", shell) == {run_id}


def test_models_suites_options_and_files_are_completed(completed):
    complete, _ = completed
    assert "r1-distill-qwen-7b" in complete("lrmtest models r1-distill-q")
    assert complete("lrmtest triage last --suite fol") >= {"folio", "folio-v2"}
    assert complete("lrmtest report last --base") == {"--baseline"}
    assert complete("lrmtest compare last base") == {"baseline.json"}
