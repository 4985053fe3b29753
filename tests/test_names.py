"""One word, one meaning: names that the package's sources may use once, and their docstrings."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import lrmtest

PACKAGE = Path(lrmtest.__file__).parent


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
    assert not shared


def test_a_module_docstring_names_the_thing() -> None:
    asking = {
        module
        for module, tree in sources().items()
        if (ast.get_docstring(tree) or "What").split()[0] in ("What", "Which", "How", "Where")
    }
    assert not asking
