"""The tests of a set: what is collected where ``--set NAME`` is given and no path of tests.

pytest is told of them as if they had been typed. A project's own test files go before the
package's, suite by suite, so that a set can be asked in a checkout, in a project with some suites
of its own, and where there are no files at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from lrmtest.errors import LrmtestError, UsageError
from lrmtest.options.pytest_names import setting
from lrmtest.plugin.ending.guard import told
from lrmtest.suites.own import own_suites
from lrmtest.suites.packaged import pytest_words
from lrmtest.suites.registry import known_suite
from lrmtest.suites.sets import NamedSet, load_sets, set_named

COLLECTED = pytest.StashKey[bool]()
"""Whether a set's tests are collected because nobody has named any."""


def load_conftests_of(config: pytest.Config, name: str) -> None:
    """Have pytest load the conftests of a set's tests with those of paths that were typed.

    It is done before the project's conftests have added their options, so that a word may be taken
    for a path that is none; nothing is lost then but conftests that are loaded later.
    """
    known = config.known_args_namespace
    if known.file_or_dir:
        return
    try:
        known.file_or_dir = tests_of(_set(config, name), _project(config))
    except LrmtestError:  # said by `add_tests`, if it is lrmtest's option at all
        return
    known.pyargs = True


def add_tests(config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Add the tests of the set that is asked to a command line that names none.

    A set of the configuration leaves a session alone in which no model is named: that is one of the
    project's other tests.

    Args:
        config: pytest's configuration.
        parser: pytest's, with all options.
        args: the words of the command line and of ``addopts``.

    Raises:
        pytest.UsageError: there is no such set, or a suite of it has no test.
    """
    given = parser.parse_known_args(args)
    name = str(given.lrmtest_set or setting(config, "set") or "")
    has_model = given.lrmtest_model or setting(config, "model")
    if not name or given.file_or_dir or not (has_model or _typed(config)):
        return
    try:
        words = tests_of(_set(config, name), _project(config))
    except LrmtestError as error:
        raise pytest.UsageError(told(error)) from None
    args += ["--pyargs", *words]
    config.stash[COLLECTED] = True


def tests_of(asked: NamedSet, project: Path) -> list[str]:
    """What ``--pyargs`` takes for the tests of a set's suites: modules, files, folders.

    Args:
        asked: the set.
        project: the folder that may have ``suites/`` or other tests of one's own.

    Raises:
        UsageError: there is no such suite, or no test of it.
    """
    words: dict[str, None] = {}
    for suite in asked.suites:
        found = pytest_words(suite, project)
        if found is None:
            words[str(_own_test(asked, suite, project))] = None
        else:
            words[found[1] if found[0] == "--pyargs" else str(project / found[0])] = None
    return list(words)


def _own_test(asked: NamedSet, suite: str, project: Path) -> Path:
    """The test of a suite that the package has no test of."""
    if (project / "suites" / suite).is_dir():
        return project / "suites" / suite
    own = {each.suite.name: each.file for each in own_suites(project)}
    if suite in own:
        return own[suite]
    if known_suite(suite) is None:
        raise UsageError(
            f"set {asked.name}: there is no suite {suite!r}",
            hint="`lrmtest suites` lists those that there are, this project's among them",
        )
    raise UsageError(
        f"set {asked.name}: suite {suite} has no test here",
        hint=f"lrmtest init --suite {suite} writes one",
    )


def _set(config: pytest.Config, name: str) -> NamedSet:
    return set_named(name, load_sets(_project(config) / "pyproject.toml"))


def _project(config: pytest.Config) -> Path:
    """As `lrmtest.options.settings.project_folder`, of a session that names no path."""
    return config.invocation_params.dir if config.inipath is None else config.rootpath


def _typed(config: pytest.Config) -> bool:
    """Whether the set is on the command line, and not of a configuration alone."""
    words: Sequence[str] = [str(word) for word in config.invocation_params.args]
    return any(word.partition("=")[0] in ("--set", "--lrmtest-set") for word in words)
