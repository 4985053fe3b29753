"""One word, one meaning: names that the package's sources may use once, and their docstrings."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import lrmtest

PACKAGE = Path(lrmtest.__file__).parent

STILL_SHARED = {"Assignment", "Kind", "Outcome", "Plan", "Progress", "Request"}
"""Names that two rooms still give to different types."""

STILL_ASKING = {
    "analysis/__init__",
    "analysis/claims",
    "analysis/collapse",
    "analysis/lengths",
    "analysis/no_failure",
    "analysis/plan",
    "analysis/summary",
    "analysis/traces",
    "compress/__init__",
    "compress/calibration",
    "compress/gguf_patterns",
    "compress/gguf_plan",
    "compress/pruning/figures",
    "compress/pruning/inputs",
    "compress/pruning/sparsity",
    "grading/__init__",
    "grading/commitments",
    "grading/graders",
    "models/engines/__init__",
    "models/engines/http/endpoint",
    "models/engines/http/server_facts",
    "models/engines/options",
    "models/engines/recorded/finish_reason",
    "models/engines/server/engine",
    "models/engines/server/kv_memory",
    "models/engines/server/launch",
    "models/engines/server/llamacpp_program",
    "models/engines/server/log",
    "models/engines/server/planned_tokens",
    "models/engines/server/vllm_program",
    "models/engines/server/warm_records",
    "models/engines/token_counts",
    "models/engines/tokenizers/checkpoint_files",
    "models/engines/transformers/context",
    "models/fetch/files",
    "models/gguf/header",
    "models/hardware",
    "models/local",
    "models/resolve",
    "progress",
    "questions/__init__",
    "questions/fresh/draft",
    "questions/fresh/proposals",
    "questions/matching",
    "questions/released",
    "questions/sources",
    "reports/__init__",
    "reports/comparison_words",
    "reports/compute",
    "reports/failure",
    "reports/imported",
    "reports/knowledge",
    "reports/plan",
    "reports/runs_table",
    "reports/smallest",
    "reports/sweep",
    "reports/tables",
    "reports/triage",
    "runs/command",
    "runs/formats/assign",
    "runs/formats/detect",
    "runs/outcomes",
    "runs/records",
}
"""Modules whose docstring still begins with a question instead of the name of what they hold."""


@cache
def sources() -> dict[str, ast.Module]:
    """Every module's syntax tree, by its path in the package without ``.py``."""
    return {
        path.relative_to(PACKAGE).with_suffix("").as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def types_defined(tree: ast.Module) -> Iterator[str]:
    """The public classes and type aliases of a module; an alias is a name such as ``Tell``."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found = [node.name]
        elif isinstance(node, ast.Assign):
            found = [target.id for target in node.targets if isinstance(target, ast.Name)]
        else:
            continue
        yield from (name for name in found if name[0].isupper() and not name.isupper())


def test_a_public_type_has_a_name_of_its_own() -> None:
    defined = defaultdict(list)
    for module, tree in sources().items():
        for name in types_defined(tree):
            defined[name].append(module)
    shared = {name: modules for name, modules in defined.items() if len(modules) > 1}
    assert shared.keys() <= STILL_SHARED, shared


def test_a_module_docstring_names_the_thing() -> None:
    asking = {
        module
        for module, tree in sources().items()
        if (ast.get_docstring(tree) or "What").split()[0] in ("What", "Which", "How", "Where")
    }
    assert asking <= STILL_ASKING, sorted(asking - STILL_ASKING)
