import sys

import pytest

from lrmtest.errors import ModelError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.kinds import create_engine, engine_names
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.spec import ModelSpec


def spec(engine):
    return ModelSpec("m", ModelCard(name="m"), engine, "somewhere")


def test_unknown_engines_are_guessed():
    with pytest.raises(UsageError, match="no engine 'transformer'") as caught:
        create_engine(spec("transformer"), EngineOptions())
    assert "did you mean 'transformers'?" in caught.value.hint
    assert all(name in caught.value.hint for name in engine_names())


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "lrmtest.models.engines.transformers.engine", None)
    with pytest.raises(ModelError, match="transformers engine cannot be imported") as caught:
        create_engine(spec("transformers"), EngineOptions())
    assert "pip install 'lrmtest[cpu]'" in caught.value.hint
