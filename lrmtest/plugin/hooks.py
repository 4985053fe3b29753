"""The pytest plugin's door, which is loaded in every session of its environment.

It knows lrmtest's options by name, its two fixtures, and its tests when it sees them. The rest,
`session_hooks` and all that they import, is loaded once a session asks for it: by an option or a
setting, or by a test that is lrmtest's. Until then nothing is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from lrmtest.options.pytest_names import (
    add_long_names,
    add_short_names,
    any_given,
    asks_for_help,
    early_set,
    parse_early,
)
from lrmtest.plugin.fixture_owner import MARK, MODEL, OUR_MODEL, is_ours
from lrmtest.plugin.garbage import look_rarely, thaw_at_the_end
from lrmtest.plugin.refusal import raise_refusal

if TYPE_CHECKING:
    from lrmtest.plugin.model import Model

_AT_WORK = "lrmtest-session"
_PACKAGED = Path(__file__).parents[1] / "suites"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add lrmtest's options, by names that clash with nobody's."""
    config = pluginmanager.get_plugin("pytestconfig")
    shown = {}
    if config is not None and asks_for_help(config):
        from lrmtest.options.settings import plugin_options

        shown = {option.short: option.shown for option in plugin_options()}
    add_long_names(parser, shown)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    """Add the options' short names, but for those that a conftest has by then; a set's tests."""
    thaw_at_the_end(early_config)
    parse_early(early_config, parser, args)
    asked = early_set(early_config, args)
    if asked:
        from lrmtest.plugin.set_tests import load_conftests_of

        load_conftests_of(early_config, asked)
    yield
    add_short_names(parser, args)
    if asked:
        from lrmtest.plugin.set_tests import add_tests

        add_tests(early_config, parser, args)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin at once where an option says so. Last, to wrap the selections of pytest's plugins."""
    config.addinivalue_line("markers", f"{MARK}(which): run once per question of a suite")
    if any_given(config):
        _at_work(config)


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Name the package's own test files alike in every folder."""
    if _PACKAGED not in module_path.parents:
        return None
    from lrmtest.plugin.packaged_modules import packaged_module

    return packaged_module(module_path, parent)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize lrmtest's tests over their questions and models."""
    if not is_ours(metafunc.definition):
        return
    try:
        _at_work(metafunc.config).parametrize(metafunc)
    except pytest.UsageError as error:
        # A collection error of this kind prints its message alone, without a traceback.
        raise pytest.Collector.CollectError(str(error)) from None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin for tests that are lrmtest's though nothing parametrizes them, as a TestCase's."""
    if any(map(is_ours, session.items)):
        _at_work(session.config).check_items(session)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Refuse, in xdist's controller, what one of its workers could not run."""
    raise_refusal(node)


@pytest.fixture(name=OUR_MODEL)
def lrmtest_model(request: pytest.FixtureRequest) -> Model:
    """The model under test, in a project whose own `model` is another."""
    return _model(request)


@pytest.fixture(name=MODEL)
def model(request: pytest.FixtureRequest) -> Model:
    """The model under test, `lrmtest.plugin.model.Model`."""
    return _model(request)


def _model(request: pytest.FixtureRequest) -> Model:
    found: Model = _at_work(request.config).given_model(request.node)
    return found


def _at_work(config: pytest.Config) -> ModuleType:
    """The hooks of a session that asks for lrmtest, at work from now on."""
    if not config.pluginmanager.hasplugin(_AT_WORK):
        _import_as_written()
        look_rarely(config)  # at modules, none of which is garbage
    from lrmtest.plugin import session_hooks

    if not config.pluginmanager.hasplugin(_AT_WORK):
        session_hooks.begin(config)
        config.pluginmanager.register(session_hooks, _AT_WORK)
    return session_hooks


def _import_as_written() -> None:
    """Have the package's modules imported without pytest's rewriting of their assertions.

    pytest marks the whole package of each plugin for it. Where it cannot keep the bytecode
    (``PYTHONDONTWRITEBYTECODE``, a read-only environment), it parses and compiles all of them anew
    in every session, which takes half a second.
    """
    for finder in sys.meta_path:
        marked = getattr(finder, "_must_rewrite", None)  # nothing public unmarks
        if isinstance(marked, set):
            marked.discard("lrmtest")
