"""What the documentation shows of its commands is what they print today.

Each page that shows an output is run as it stands: its commands in order, in one shell, in a copy
of this checkout, with tiny-lrm itself. What a page says to install is not installed, for this
environment has it; `python tools/shown_outputs.py README.md --install` does that too.
"""

import re
import tomllib
from pathlib import Path

import prepared
import pytest
from doc_commands import (
    ELSEWHERE,
    EXAMPLE,
    MEASURED,
    NO_OUTPUT,
    OUTPUTS,
    Command,
    blocks_in,
    commands_in,
)
from hypothesis import given
from hypothesis import strategies as st
from shown_outputs import (
    PAGES,
    ROOT,
    Ran,
    Step,
    is_placed,
    problems_of,
    refreshed,
    run_story,
    shows,
    story_of,
    without_install,
    write,
)

import lrmtest

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
STORIES = [
    pytest.param(page, id=page.name, marks=[] if is_placed(page) else pytest.mark.engine)
    for page in PAGES
    if story_of(page)
]
SAYS_WHAT_IT_IS = {*OUTPUTS, MEASURED, EXAMPLE, NO_OUTPUT}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """`lrmtest` and `pytest`, which need not import torch again."""
    return prepared.programs(tmp_path_factory.mktemp("prepared") / "bin")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", STORIES)
def test_a_page_followed_in_order_prints_what_it_shows(page, programs, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    steps = story_of(page)
    problems = problems_of(steps, run_story(steps, tmp_path, programs=programs))
    assert not problems, "\n\n".join(problems)


def test_the_pages_that_a_newcomer_follows_are_among_them():
    assert {"README.md", "tutorial.md"} <= {story.id for story in STORIES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_text_says_what_it_is(page):
    for block in blocks_in(page):
        known = not block.mark or block.mark in SAYS_WHAT_IT_IS or block.elsewhere or block.folder
        assert known, f"{block.place}: {block.mark}"
        if block.language == "text":
            why = block.elsewhere and block.mark != ELSEWHERE
            assert block.mark in SAYS_WHAT_IT_IS or why, f"{block.place}: an output, or not?"
        if block.mark == EXAMPLE:
            assert "for instance" in block.before, f"{block.place}: whose figures?"
        if block.mark == MEASURED:
            assert re.search(r"\d{4}-\d\d-\d\d.*not run", block.before), f"{block.place}: when?"
        if block.mark == ELSEWHERE:
            assert story_of(page), f"{block.place}: in a page of which all else is run"


def test_one_command_does_everything_and_one_tests():
    first, *_, last = commands_in(ROOT / "README.md")
    assert [part.split()[0] for part in first.text.split(" && ")] == [
        "python3",
        ".",
        "pip",
        "pytest",
    ]
    assert "--model tiny-lrm" in first.text
    assert last.text == "./check"
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("\n./check")


def test_what_readme_says_of_the_package_is_so():
    text = (ROOT / "README.md").read_text()
    said = re.search(r"^Version (\S+) · Python (\S+) or newer · (\S+)$", text, re.MULTILINE)
    assert said.groups() == (
        lrmtest.__version__,
        PROJECT["requires-python"].removeprefix(">="),
        PROJECT["license"],
    )
    first = commands_in(ROOT / "README.md")[0].text
    (extra,) = re.search(r"'\.\[(\w+)\]'", first).groups()
    assert extra in PROJECT["optional-dependencies"]


def test_a_property_needs_no_extra():
    assert any(name.startswith("hypothesis>") for name in PROJECT["dependencies"])
    assert PROJECT["optional-dependencies"]["property"] == []


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("python3 -m venv .venv && . .venv/bin/activate && pip install -q -e '.[cpu]'", ""),
        ("pip install lrmtest && lrmtest runs   # all", "lrmtest runs"),
        ("lrmtest runs", "lrmtest runs"),
    ],
)
def test_what_installs_is_left_out(line, left):
    assert without_install(line) == left


PRINTED = [
    "run m-20261128-203949-bb5f in reports/lrmtest.sqlite",
    "a  1",
    "b  2",
    "",
    "60 passed in 16.52s",
]


@pytest.mark.parametrize(
    "shown",
    [
        PRINTED,
        ["...", "b  2", "", "..."],
        ["run m-20250101-000000-0000 in reports/lrmtest.sqlite", "...", "60 passed in 1.0s"],
        ["...", "60 passed in 73.10s (0:01:13)"],
    ],
)
def test_what_differs_from_run_to_run_is_not_compared(shown):
    assert shows(shown, PRINTED)
    assert refreshed(shown, PRINTED) == shown


def test_figures_that_vary_are_not_compared_but_what_is_said_is():
    printed = ["0.7   20  35.0 % [18.1, 56.7]  -65.0  regressed", "x"]
    other = ["0.7   20  100.0 % [83.9, 100.0]  +0.0   regressed", "..."]
    assert shows(other, printed, varying=True)
    assert not shows(other, printed)
    assert not shows([other[0].replace("regressed", "ok"), "..."], printed, varying=True)


@pytest.mark.parametrize(
    ("shown", "today"),
    [
        (["a  1", "b  2"], PRINTED),
        (["...", "a  2", "b  2", "..."], ["...", "a  1", "b  2", "..."]),
        (["...", "59 passed in 2 s"], ["...", "60 passed in 16.52s"]),
        (["run n-20261128-203949-bb5f in reports", "..."], [PRINTED[0], "..."]),
        (["...", "b  2", "...", "a  1", "..."], None),
    ],
)
def test_everything_else_is(shown, today):
    assert not shows(shown, PRINTED)
    if today is not None:
        assert refreshed(shown, PRINTED) == today


@given(
    st.lists(st.sampled_from(["a", "b", "c 1", "d"])), st.lists(st.sampled_from(["a", "b", "..."]))
)
def test_a_refreshed_output_is_shown_rightly(printed, shown):
    assert shows(printed, printed)
    assert shows(refreshed(shown, printed), printed)


PAGE = """# A story

```
X=1 && echo first
```

<!-- output -->
```text
old
```

```
python -c 'import sys; print(sys.argv[1] * 2)' "$X"
```

<!-- output -->
```text
22
```
"""


def test_a_page_is_brought_up_to_date(tmp_path):
    page = tmp_path / "story.md"
    page.write_text(PAGE.replace("X=1 && echo first", "export X=1"))
    steps = story_of(page)
    assert [step.command.program for step in steps] == ["export", "python"]
    ran = [Ran(steps[0], 0, []), Ran(steps[1], 0, ["11"])]
    assert len(problems_of(steps, ran)) == 2
    write(page, ran)
    assert "old" not in page.read_text()
    assert "```text\n11\n```" in page.read_text()
    steps = story_of(page)
    assert not problems_of(steps, [Ran(steps[0], 0, []), Ran(steps[1], 0, ["11"])])


def test_a_command_that_fails_is_told():
    step = Step(Command("x.md:1", "lrmtest show nothing"))
    (problem,) = problems_of([step], [Ran(step, 2, ["there is no run"])])
    assert "exit status 2" in problem
    assert "the shell ended at x.md:1" in problems_of([step], [])


def test_it_is_one_shell(tmp_path, monkeypatch):
    commands = ["export WORD=kept", "cd docs", 'echo "$WORD" $(basename "$PWD")']
    steps = [Step(Command(f"x.md:{n}", text)) for n, text in enumerate(commands)]
    monkeypatch.setattr("shown_outputs.ROOT", _small_checkout(tmp_path / "small"))
    (tmp_path / "run").mkdir()
    assert run_story(steps, tmp_path / "run")[-1].output == ["kept docs"]


def _small_checkout(folder: Path) -> Path:
    (folder / "docs").mkdir(parents=True)
    return folder
