"""Sets of rows: of the right size, drawn from all, and what is all of a module is the module."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from lrmtest.analysis.units import MODULE, ROW, row_name, rows_by_module  # noqa: E402
from lrmtest.cli import main  # noqa: E402
from lrmtest.cli.reading_models import reading_model  # noqa: E402
from lrmtest.locate import job  # noqa: E402
from lrmtest.locate.facts import ModuleFacts  # noqa: E402
from lrmtest.locate.sets import set_name, sets_of, unit_weights, whole_modules  # noqa: E402
from lrmtest.locate.task import LocateTask  # noqa: E402
from lrmtest.models.cards import load_cards  # noqa: E402
from lrmtest.models.engines.options import EngineOptions  # noqa: E402
from lrmtest.models.reading import Shaping, Written  # noqa: E402
from lrmtest.models.trace import Trace  # noqa: E402
from lrmtest.questions.fresh import fresh_question  # noqa: E402
from lrmtest.questions.place import Place  # noqa: E402
from lrmtest.suites.folio import FOLIO  # noqa: E402

KINDS = ("self_attn.q_proj", "mlp.up_proj", "mlp.down_proj")


@st.composite
def models(draw):
    """Facts of some modules, and their rows in some order."""
    facts = {
        f"model.layers.{layer}.{kind}": ModuleFacts(
            draw(st.integers(1, 9)), draw(st.integers(1, 9)), 0, 0, differs=True
        )
        for layer in range(2)
        for kind in KINDS
    }
    return facts, draw(st.permutations([*unit_weights(ROW, facts)]))


def task(share, curve=()):
    options = EngineOptions()
    return LocateTask(None, None, options, "run", [], 0, share, curve=curve, unit=ROW)


@given(st.dictionaries(st.sampled_from(["a", "b[c]", "layers.0.q"]), st.sets(st.integers(0, 99))))
def test_rows_are_found_again_by_their_names(rows):
    units = [row_name(name, row) for name, each in rows.items() for row in each]
    found = {name: tuple(sorted(each)) for name, each in rows.items() if each}
    assert rows_by_module(units) == found
    assert rows_by_module([*units, *rows]) == dict.fromkeys(rows)


@given(models(), st.floats(0.01, 1))
def test_sets_are_within_the_share_and_random_ones_have_as_many_weights(given_models, share):
    facts, order = given_models
    weights = unit_weights(ROW, facts)
    total = sum(weights.values())
    assert total == sum(each.weights for each in facts.values())
    sets, units = sets_of(task(share, (share / 2,)), [], order, facts)
    size = sum(weights[row] for row in sets.top)
    assert sets.top_share == pytest.approx(size / total)
    assert size <= share * total or sets.top == (order[0],)
    assert units[sets.top_set] == whole_modules(sets.top, facts)
    most = max(each.columns for each in facts.values())
    for name in sets.random:
        drawn = rows_by_module(units[name])
        has = sum(
            facts[module].columns * (facts[module].rows if rows is None else len(rows))
            for module, rows in drawn.items()
        )
        assert size - most < has <= size
    # The whole is what it is for modules, and so is the last layer's MLP.
    assert sets.whole == set_name(facts)
    mlp = [name for name in facts if "layers.1.mlp" in name]
    assert sets.curve.last_mlp.name == set_name(mlp)
    assert sets.curve.unit == sets.unit == ROW


@given(models())
def test_all_rows_of_a_module_are_the_module(given_models):
    facts, order = given_models
    first = next(iter(facts))
    rows = [row for row in order if row.startswith(f"{first}[")]
    assert whole_modules(rows, facts) == {first}
    assert whole_modules(order, facts) == facts.keys()
    assert whole_modules(rows[1:], facts) == frozenset(rows[1:])


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """tiny-lrm pruned by magnitude, itself, and what it writes to six questions."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options = EngineOptions(device="cpu")
    parent = reading_model("tiny-lrm", load_cards([], None), "transformers", options).spec
    folder = tmp_path_factory.mktemp("pruned") / "magnitude"
    words = ("compress", "tiny-lrm", "-o", str(folder), "--method", "magnitude")
    assert main([*words, "--sparsity", "0.75"]) == 0
    variant = reading_model(str(folder), {}, "transformers", options).spec
    tokenizer = AutoTokenizer.from_pretrained(parent.location)
    model = AutoModelForCausalLM.from_pretrained(parent.location, dtype=torch.float32).eval()
    written = []
    for number in range(6):
        question = fresh_question("logic", 7, number)
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": FOLIO.prompt.format(**question.material)}],
            add_generation_prompt=True,
            return_dict=True,
        )["input_ids"]
        out = model.generate(torch.tensor([prompt]), max_new_tokens=40, do_sample=False)
        tokens = out[0, len(prompt) :].tolist()
        trace = Trace(array("I", prompt), array("I", tokens), array("f"), ended=False)
        written.append(Written(Place(f"key-{number}", "s", f"q{number}", 0), trace, Shaping(0.0)))
    return LocateTask(variant, parent, options, "run", written, 0, 0.02, unit=ROW)


def test_two_percent_of_tiny_lrm_by_row_mend_more_than_any_module(pruned, tmp_path):
    """A prompt's first answer differs from processor to processor; this is true by far of any."""
    by_row = job.locate_damage(pruned, tmp_path, lambda *_: None)
    by_module = job.locate_damage(
        replace(pruned, unit=MODULE, confirm=2), tmp_path, lambda *_: None
    )
    assert not by_row.little
    _, together = by_row.top
    assert 0.0198 < by_row.top_share <= 0.02
    assert len(by_row.top_rows) > 1
    assert together.beaten == together.draws == 20
    assert by_module.top_share > by_row.top_share
    assert together.mend.value > by_module.top[1].mend.value
    # All rows are all modules.
    assert by_row.all_restored == by_module.all_restored
