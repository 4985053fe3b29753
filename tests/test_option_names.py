"""Hints and messages name options that exist."""

import argparse
import ast
import re
from pathlib import Path

import pytest

import lrmtest
from lrmtest.cli.main import _parser
from lrmtest.models.card import Checkpoint, ModelCard
from lrmtest.options.names import NAMES
from lrmtest.options.settings import plugin_options

PACKAGE = Path(lrmtest.__file__).parent

FOREIGN = {
    # llama.cpp's programs
    *("--alias", "--cache-ram", "--cache-type-k", "--cache-type-v", "--ctx-size", "--fit"),
    *("--gpu-layers", "--host", "--jinja", "--list-devices", "--no-webui", "--parallel", "--port"),
    *("--reasoning-format", "--skip-chat-parsing", "--allow-requantize", "--imatrix", "--no-ppl"),
    *("--parse-special", "--tensor-type", "--merge", "--chat-template", "--chat-template-file"),
    # vLLM
    *("--data-parallel-size", "--disable-uvicorn-access-log", "--enable-prefix-caching"),
    *("--enable-chunked-prefill", "--no-enable-chunked-prefill"),
    *("--enforce-eager", "--generation-config", "--gpu-memory-utilization", "--kv-cache-dtype"),
    *(
        "--max-model-len",
        "--max-num-seqs",
        "--max-num-batched-tokens",
        "--pipeline-parallel-size",
        "--quantization",
    ),
    *("--served-model-name", "--tensor-parallel-size", "--stream-interval", "--config"),
    *("--logprobs-mode", "--max-logprobs"),
    # Ray
    *("--address", "--block", "--dashboard-agent-listen-port", "--disable-usage-stats", "--head"),
    *("--include-dashboard", "--include-log-monitor", "--no-monitor", "--node-ip-address"),
    *("--object-store-memory", "--temp-dir"),
    # pip
    *("--dest", "--disable-pip-version-check", "--force-reinstall", "--hash", "--no-deps"),
    *("--only-binary", "--requirement", "--upgrade", "--quiet"),
    # pytest-forked
    "--forked",
    # hf
    *("--local-dir", "--repo-type", "--revision"),
    # nvidia-smi, lm_eval, lighteval
    *("--query-gpu", "--format", "--log_samples", "--output_path", "--save-details"),
}


def strings(file):
    """The strings of a module that are no docstrings, with their line."""
    tree = ast.parse(file.read_text())
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            yield node.lineno, node.value


def options_of(parser):
    """Every option of an argparse parser and of its commands."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from options_of(command)


@pytest.fixture(scope="module")
def known(request):
    """The options of pytest with its plugins, of `lrmtest`, and of the programs that it runs."""
    of_pytest = options_of(request.config._parser.optparser)
    short = {option.short for option in plugin_options()}
    return {*of_pytest, *short, *options_of(_parser()), *FOREIGN}


def named():
    """Where an option is named: the place and the option."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for line, text in strings(file):
            for option in re.findall(r"(?<![\w-])--[a-z][\w-]*\w(?![\w-])", text):
                yield f"{file.relative_to(PACKAGE)}:{line}", option


def test_the_table_of_names_is_that_of_the_declared_options():
    declared = {(option.short, option.shape) for option in plugin_options()}
    assert {(name.short, name.shape) for name in NAMES} == declared
    assert len(NAMES) == len(declared)


def test_every_option_that_is_named_exists(known):
    assert not [each for each in named() if each[1] not in known]


def test_no_foreign_option_is_listed_in_vain():
    assert {option for _, option in named()} >= FOREIGN


def test_hints_name_fields_of_cards_that_exist():
    fields = {*ModelCard.__dataclass_fields__, *Checkpoint.__dataclass_fields__}
    for file in sorted(PACKAGE.rglob("*.py")):
        for line, text in strings(file):
            for name in re.findall(r"\b(?:set|raise|lower|see|correct) ([a-z]+_[a-z_]+)\b", text):
                assert name in fields, f"{file.relative_to(PACKAGE)}:{line}: {name}"
