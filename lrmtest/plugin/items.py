"""The collected tests, by the model that each needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from lrmtest.errors import UsageError
from lrmtest.plugin.fixture_owner import our_name
from lrmtest.plugin.session import session_of
from lrmtest.plugin.suites import SelectedQuestion


@dataclass(slots=True)
class ModelItems:
    """One model's tests.

    Attributes:
        with_questions: tests of a suite's questions, each with its own.
        own_prompts: tests that build their own prompts.
    """

    with_questions: list[tuple[pytest.Item, SelectedQuestion]] = field(default_factory=list)
    own_prompts: list[pytest.Item] = field(default_factory=list)


_MODEL_OF = pytest.StashKey[str | None]()


def model_of(item: pytest.Item) -> str | None:
    """The name of the model that a test runs against; None for a test without one.

    Raises:
        UsageError: the test wants a model and none was named.
    """
    stash = item.stash
    if _MODEL_OF not in stash:  # every hook asks for it
        stash[_MODEL_OF] = _model_of(item)
    return stash[_MODEL_OF]


def _model_of(item: pytest.Item) -> str | None:
    taken_as = our_name(item)
    if taken_as is None:
        return None
    names = session_of(item.config).models.names
    if not names:
        raise UsageError(
            f"{item.nodeid} needs a model",
            hint="name one: --model smollm2-135m (`lrmtest models` lists them)",
        )
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec else {}
    chosen: str = params.get(taken_as, names[0])
    return chosen


def items_by_model(items: Sequence[pytest.Item]) -> dict[str, ModelItems]:
    """The tests of each model that has any, in the order of ``--model``.

    Raises:
        UsageError: a test needs a model and none was named.
    """
    found: dict[str, ModelItems] = {}
    for item in items:
        name = model_of(item)
        if name is None:
            continue
        session = session_of(item.config)
        if not found:
            found = {each: ModelItems() for each in session.models.names}
        selected = session.suites.selected_by(item)
        if selected is None:
            found[name].own_prompts.append(item)
        else:
            found[name].with_questions.append((item, selected))
    return {
        name: tests for name, tests in found.items() if tests.with_questions or tests.own_prompts
    }
