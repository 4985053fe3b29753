"""Suites by name."""

import subprocess
import sys

import pytest

from lrmtest.errors import UsageError
from lrmtest.questions import DataOptions, Question, render_prompt
from lrmtest.suites import SUITES, suite_named


def test_names_and_aliases():
    assert [name for name in SUITES if not name.startswith("gym-")] == [
        *("aime", "folio", "folio-v0.0", "folio-v2", "temporal", "math-500", "gsm8k"),
        *("fresh-temporal", "fresh-arithmetic", "fresh-logic", "fresh-hops"),
        *("musique", "musique-open", "musique-gold", "musique-hops", "musique-hops-gold"),
        *("musique-dev", "musique-dev-open", "musique-dev-gold"),
        *("musique-dev-hops", "musique-dev-hops-gold"),
    ]
    assert suite_named("aime-2024") is suite_named("aime")
    assert suite_named("musique-100") is suite_named("musique")
    assert all(suite.name == name for name, suite in SUITES.items())


@pytest.mark.parametrize(
    ("wrong", "close"),
    [("aime-2025", "aime-2024"), ("AIME", "aime"), ("temporl", "temporal"), ("xyz", "there are")],
)
def test_a_wrong_name_gets_close_ones(wrong, close):
    with pytest.raises(UsageError) as caught:
        suite_named(wrong)
    assert wrong in caught.value.message
    assert close in caught.value.hint


def test_prompts_state_the_answer_format():
    assert r"\boxed{}" in SUITES["aime"].prompt
    for label in ("True", "False", "Uncertain"):
        assert f"Answer: {label}" in SUITES["folio"].prompt
    assert "Answer: (X)" in SUITES["temporal"].prompt
    assert r"\boxed{}" in SUITES["fresh-arithmetic"].prompt
    assert "Answer: <short answer>" in SUITES["fresh-hops"].prompt
    musique = [suite for name, suite in SUITES.items() if name.startswith("musique")]
    assert all("Answer: <short answer>" in suite.prompt for suite in musique)


def test_boxed_survives_rendering():
    question = Question("1", "aime", {"problem": r"Find $\frac{a}{b}$ in {braces}."}, ("1",), "x")
    prompt = render_prompt(SUITES["aime"].prompt, question)
    assert r"\boxed{}" in prompt
    assert r"Find $\frac{a}{b}$ in {braces}." in prompt


def test_importing_and_generating_stay_light():
    code = (
        "import sys; from lrmtest.suites import *; from lrmtest.questions import DataOptions; "
        "suite_named('fresh-temporal').load(DataOptions()); "
        "heavy = {'huggingface_hub', 'httpx', 'numpy', 'torch', 'pyarrow', 'pandas', 'datasets'}; "
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_generated_suites_need_no_data():
    generated = [suite for name, suite in SUITES.items() if name.startswith("fresh-")]
    assert all(suite.load(DataOptions()).questions for suite in generated)
