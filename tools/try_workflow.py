#!/usr/bin/env python3
"""A workflow of GitHub's, run step by step on this machine, in a new repository with nothing else.

    python tools/try_workflow.py [WORKFLOW] [--wheel FILE] [--attempts N] [--set FROM=TO]
    python tools/try_workflow.py .github/workflows/release.yml --release --job build --attempts 1

Its ``run:`` steps are run as GitHub's runner does, by ``bash -e``, in a virtual environment of
their own. The actions that it uses have stand-ins: checkout finds the repository, setup-python
makes the environment, cache/restore and cache/save keep folders between attempts, upload-artifact
looks for the files. Anything else is an error: nothing is passed over in silence.

With ``--release`` they run in a clone of what is committed here, as the newest section of its
changelog would be released today: nothing is uploaded, and the job that would publish is another.

With ``--wheel``, by default one that is built of this checkout, `pip install lrmtest` installs
that file, and what it needs from the index.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = ROOT / "lrmtest" / "cli" / "reasoning.yml"
VERSIONS = {
    "actions/checkout": range(4, 6),
    "actions/setup-python": range(5, 7),
    "actions/cache/restore": range(4, 5),
    "actions/cache/save": range(4, 5),
    "actions/upload-artifact": range(4, 6),
    "actions/download-artifact": range(4, 6),
    "pypa/gh-action-pypi-publish": range(1, 2),
}
"""The major versions of each action that have been released and are not withdrawn."""
_VERSION = re.findall(r'__version__ = "(.+)"', (ROOT / "lrmtest/__init__.py").read_text())[0]
_EXPRESSION = re.compile(r"\$\{\{\s*([\w.]+)\s*\}\}")


class WorkflowError(Exception):
    """The workflow cannot work as it is written."""


@dataclass
class Attempt:
    """One attempt of a job.

    Attributes:
        repository: the folder that it runs in.
        environment: of its processes.
        cache: a folder that outlives it, with one folder for each key.
        number: the attempt, from 1.
        make_python: makes the virtual environment and returns its folder of programs.
        installs: whether `pip` runs; else what it would install is there already.
        ran: the steps that ran, with their exit status.
    """

    repository: Path
    environment: dict[str, str]
    cache: Path
    number: int
    make_python: Callable[[], Path]
    installs: bool = True
    ran: list[tuple[str, int]] = field(default_factory=list)

    def job(self, job: Mapping[str, Any]) -> int:
        """Run a job's steps.

        Returns:
            The exit status of the step that failed first, 0 when none did.

        Raises:
            WorkflowError: a step cannot work.
        """
        self.environment |= {name: str(value) for name, value in job.get("env", {}).items()}
        conditions = [step.get("if", "success()") for step in job["steps"]]
        for condition in conditions:  # before the first step, which may take minutes
            if condition not in ("success()", "always()"):
                raise WorkflowError(f"nobody knows what `if: {condition}` means")
        failed = 0
        for step, condition in zip(job["steps"], conditions, strict=True):
            if failed and condition != "always()":
                continue
            name = step.get("name") or step.get("uses") or step["run"]
            status = self._run(step["run"]) if "run" in step else self._use(step)
            self.ran.append((name, status))
            failed = failed or status
        return failed

    def _run(self, script: str) -> int:
        if not self.installs and script.startswith("pip install"):
            return 0
        command = ["bash", "-e", "-c", self._filled_in(script)]
        return subprocess.run(command, cwd=self.repository, env=self.environment).returncode

    def _use(self, step: Mapping[str, Any]) -> int:
        action = known_action(step["uses"])
        given = (
            {name: self._filled_in(str(value)) for name, value in step["with"].items()}
            if ("with" in step)
            else {}
        )
        if action == "actions/setup-python":
            self._setup_python(given)
        elif action == "actions/cache/restore":
            self._restore(given)
        elif action == "actions/cache/save":
            self._save(given)
        elif action == "actions/upload-artifact":
            found = [path for path in given["path"].split() if (self.repository / path).exists()]
            print(f"artifact {given['name']}: {', '.join(found) or 'nothing'}", flush=True)
        return 0

    def _setup_python(self, given: Mapping[str, str]) -> None:
        if given.get("cache") == "pip":
            # The action fails where it finds no file to make the cache's key of.
            patterns = given.get("cache-dependency-path", "**/requirements.txt **/pyproject.toml")
            if not any(list(self.repository.glob(pattern)) for pattern in patterns.split()):
                raise WorkflowError(f"setup-python: no file matches {patterns}")
        programs = self.make_python()
        self.environment["PATH"] = f"{programs}{os.pathsep}{self.environment['PATH']}"

    def _restore(self, given: Mapping[str, str]) -> None:
        keys = [given["key"], *given.get("restore-keys", "").split()]
        saved = sorted(self.cache.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for key in keys:
            for folder in saved:
                if folder.name.startswith(_as_name(key)):
                    print(f"restored {folder.name}", flush=True)
                    shutil.copytree(folder, self.repository / given["path"])
                    return

    def _save(self, given: Mapping[str, str]) -> None:
        folder = self.repository / given["path"]
        target = self.cache / _as_name(given["key"])
        if target.exists():
            raise WorkflowError(f"a cache of the key {given['key']} exists: keys are used once")
        if folder.is_dir():
            shutil.copytree(folder, target)

    def _filled_in(self, text: str) -> str:
        values = {
            "github.ref": "refs/pull/1/merge",
            "github.run_id": "1000",
            "github.run_attempt": str(self.number),
        }

        def value(match: re.Match[str]) -> str:
            if match[1] not in values:
                raise WorkflowError(f"nobody knows the value of {match[1]}")
            return values[match[1]]

        return _EXPRESSION.sub(value, text)


def known_action(uses: str) -> str:
    """The name of an action, without its version.

    Raises:
        WorkflowError: nobody knows the action, or its version is none that works.
    """
    action, _, version = uses.partition("@")
    match = re.fullmatch(r"(?:release/)?v(\d+)", version)
    if match is None or int(match[1]) not in VERSIONS.get(action, ()):
        raise WorkflowError(f"there is no {uses}, or it is out of date")
    return action


def _as_name(key: str) -> str:
    return key.replace("/", "%")


def repository_with(folder: Path, workflow: str) -> Path:
    """A new repository that has a workflow and nothing else.

    Raises:
        subprocess.CalledProcessError: git failed.
    """
    file = folder / ".github" / "workflows" / "reasoning.yml"
    file.parent.mkdir(parents=True)
    file.write_text(workflow, encoding="utf-8")
    identity = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "workflow"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def as_released(repository: Path) -> str:
    """Give a clone the version and the date that the newest section of its changelog would have.

    Returns:
        The version.
    """
    changes, module = repository / "CHANGELOG.md", repository / "lrmtest" / "__init__.py"
    text = changes.read_text(encoding="utf-8")
    version: str = re.findall(r"^## (\S+) \(", text, re.MULTILINE)[0]
    heading = f"## {version} ({date.today()})"
    text = re.sub(rf"^## {re.escape(version)} \(.*\)$", heading, text, count=1, flags=re.MULTILINE)
    changes.write_text(text, encoding="utf-8")
    code = module.read_text(encoding="utf-8")
    code = re.sub(r'^__version__ = ".*"$', f'__version__ = "{version}"', code, flags=re.MULTILINE)
    module.write_text(code, encoding="utf-8")
    return version


def clean_environment() -> dict[str, str]:
    """This process's environment without what would let another lrmtest in."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LRMTEST_", "PYTEST_", "COV_")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)}


def build_wheel(folder: Path, *, isolated: bool) -> Path:
    """A wheel of this checkout, built from a copy so that nothing of earlier builds gets in.

    Args:
        folder: where the copy and the wheel are made.
        isolated: get setuptools from the index, instead of taking the one that is installed.

    Raises:
        subprocess.CalledProcessError: it cannot be built.
    """
    copy = folder / "source"
    copy.mkdir(parents=True)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "lrmtest", copy / "lrmtest", ignore=shutil.ignore_patterns("__*__"))
    options = [] if isolated else ["--no-build-isolation", "--no-index"]
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *options]
    subprocess.run([*command, "-w", str(folder / "dist"), str(copy)], check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def _and_mine(setting: str, path: Path) -> str:
    """What pip is set to already, for a setting that takes several, and `path`."""
    named = os.environ.get(f"PIP_{setting.upper().replace('-', '_')}")
    if named is None:
        command = [sys.executable, "-m", "pip", "config", "get", f"global.{setting}"]
        named = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return f"{named} {path}".strip()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the workflow; the exit status is that of its last attempt."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("workflow", nargs="?", type=Path, default=WORKFLOW)
    parser.add_argument("--wheel", type=Path, help="default: built of this checkout")
    parser.add_argument("--attempts", type=int, default=2, help="default: 2")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FROM=TO", help="edit the workflow's text"
    )
    parser.add_argument("--job", help="default: all")
    parser.add_argument(
        "--release", action="store_true", help="in a clone of what is committed, as it is released"
    )
    arguments = parser.parse_args(argv)
    text = arguments.workflow.read_text(encoding="utf-8")
    for change in arguments.set:
        before, _, after = change.partition("=")
        if before not in text:
            parser.error(f"the workflow has no {before!r}")
        text = text.replace(before, after)
    status = 0
    with tempfile.TemporaryDirectory(prefix="workflow-") as temporary:
        folder = Path(temporary)
        if not arguments.release:
            wheel = (arguments.wheel or build_wheel(folder / "build", isolated=True)).resolve()
            (folder / "constraint.txt").write_text(f"lrmtest=={_VERSION}\n")
        (folder / "cache").mkdir()
        for number in range(1, arguments.attempts + 1):
            print(f"\nattempt {number}", flush=True)

            def make_python(venv: Path = folder / f"venv{number}") -> Path:
                subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
                return venv / "bin"

            repository = folder / f"repository{number}"
            environment = clean_environment()
            environment["RUNNER_TEMP"] = str(folder / f"temp{number}")
            Path(environment["RUNNER_TEMP"]).mkdir()
            if arguments.release:
                subprocess.run(["git", "clone", "-q", str(ROOT), str(repository)], check=True)
                environment["GITHUB_REF_NAME"] = f"v{as_released(repository)}"
            else:
                environment["PIP_CONSTRAINT"] = _and_mine("constraint", folder / "constraint.txt")
                environment["PIP_FIND_LINKS"] = _and_mine("find-links", wheel.parent)
                repository_with(repository, text)
            attempt = Attempt(
                repository,
                environment,
                folder / "cache",
                number,
                make_python,
            )
            for name, job in yaml.safe_load(text)["jobs"].items():
                if arguments.job in (None, name):
                    status = attempt.job(job)
            for step, code in attempt.ran:
                print(f"  {code}  {step}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
