"""The options of a session, written so that they could be given again."""

from __future__ import annotations

import argparse

from hypothesis import given
from hypothesis import strategies as st

from lrmtest.options.repeat import repeat_arguments
from lrmtest.options.settings import add_run_options

# argparse takes a value of "--" for the end of the options.
word = st.from_regex(r"[A-Za-z0-9_./=-]{1,8}", fullmatch=True).filter(lambda text: text != "--")
CHOSEN = {
    "engine": st.sampled_from(["vllm", "openai"]),
    "samples": st.integers(1, 9),
    "seed": st.integers(-5, 5),
    "max_tokens": st.integers(1, 10**6),
    "temperature": st.floats(0, 2),
    "no_loop_stop": st.just(True),
    "engine_arg": st.lists(word, min_size=1, max_size=3),
    "prompt_file": st.lists(word, min_size=1, max_size=2),
    "tokenizer": word,
    "reasoning_tags": word,
}


def parser():
    made = argparse.ArgumentParser()
    add_run_options(made.add_argument)
    return made


@given(st.fixed_dictionaries({}, optional=CHOSEN))
def test_parsing_what_was_given_gives_the_same(chosen):
    option = parser().parse_args([])
    for name, value in chosen.items():
        setattr(option, name, value)
    arguments = repeat_arguments(option, add_run_options)
    assert parser().parse_args(arguments) == option
    assert bool(arguments) == (option != parser().parse_args([]))


def test_what_is_left_out():
    option = parser().parse_args(["--limit", "3", "--samples", "2", "--fresh-run"])
    assert repeat_arguments(option, add_run_options, but=["--limit", "--fresh-run"]) == (
        "--samples=2",
    )
