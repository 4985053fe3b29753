"""lrmtest as it is installed: a wheel of this checkout in a virtual environment of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("try_workflow", ROOT / "tools" / "try_workflow.py")
TRY_WORKFLOW = importlib.util.module_from_spec(_SPEC)
sys.modules["try_workflow"] = TRY_WORKFLOW  # its dataclasses look for it there
_SPEC.loader.exec_module(TRY_WORKFLOW)


@dataclass(frozen=True)
class Installed:
    """A wheel, and an environment in which it is installed.

    Attributes:
        wheel: the file.
        programs: the environment's folder of programs.
    """

    wheel: Path
    programs: Path

    @property
    def environment(self):
        """Variables of processes in which this lrmtest is the only one."""
        found = TRY_WORKFLOW.clean_environment()
        return {**found, "PATH": f"{self.programs}{os.pathsep}{found['PATH']}"}

    def run(self, *words, cwd, **variables):
        """A program of the environment: its exit status and all it printed."""
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout


def installed(folder):
    """A wheel of this checkout, installed with no network.

    What lrmtest needs is that of this environment, whose own lrmtest, which the checkout is, is
    not found: its path is one that only files of this folder are read from.
    """
    wheel = TRY_WORKFLOW.build_wheel(folder / "build", isolated=False)
    home = folder / "venv"
    venv.create(home, symlinks=True)
    programs = home / "bin"
    site = next(home.glob("lib/python*/site-packages"))
    (site / "here.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "-q"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--ignore-installed", str(wheel)], check=True)
    pytest = programs / "pytest"
    pytest.write_text(f"#!{programs / 'python'}\nimport pytest\nraise SystemExit(pytest.main())\n")
    pytest.chmod(0o755)
    return Installed(wheel, programs)
