"""The house, counted: how big its rooms are, and what its rules have not reached yet.

    python tools/house.py                   this checkout
    python tools/house.py BEFORE AFTER      two checkouts, side by side

Prints Markdown. Reads sources only; nothing of a checkout is imported or run. The rules:

shape of a run: a public class of runs/, analysis/ or reports/ with a field ``manifest``, or with
    a ``run_id`` and a field of a class that is a shape.
key read of a manifest: ``m["key"]``, ``m.get("key")`` or ``section(m, "key")`` where ``m`` is
    called ``manifest`` or was read out of one in the same function. A key in a variable is not
    seen.
comparison of an engine's name: a line outside models/engines that compares with an engine's name
    or with a constant that holds one, or that has one as the value or default of ``engine``.
cycle: siblings of one package (modules, or packages with all that is in them) that import each
    other in a circle, imports for the type checker included.
arrow: one sibling imports another.
word: names (of modules, classes, functions, arguments, variables, fields) that have it as a part.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grimp

PACKAGE = "lrmtest"
ENGINES = {"vllm", "llamacpp", "transformers", "openai", "recorded"}
ROOM_OF_ENGINES = f"{PACKAGE}/models/engines/"
ROOMS_OF_RUNS = tuple(f"{PACKAGE}/{room}/" for room in ("runs", "analysis", "reports"))
MANIFEST_MODULE = f"{PACKAGE}/runs/manifest.py"
ASKING = ("What", "Which", "How", "Where")
WORDS = (
    "outcome asked asking watcher watch watchdog desk given shared plain dice no_failure compared"
)
SECTION_FUNCTIONS = {"section", "_section", "_suite"}
Arrow = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path from the checkout, with slashes, its lines, its syntax tree."""

    path: str
    lines: int
    tree: ast.Module


@dataclass(slots=True)
class Counts:
    """What is counted in one checkout: table by table, label by label; and names to the figures."""

    figures: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    rooms: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def read_sources(checkout: Path, folder: str) -> list[Source]:
    """The Python files of a folder, sorted by path."""
    files = sorted((checkout / folder).rglob("*.py"))
    texts = [(file.relative_to(checkout).as_posix(), file.read_text("utf-8")) for file in files]
    return [Source(path, text.count("\n"), ast.parse(text)) for path, text in texts]


def shapes_of_a_run(sources: Iterable[Source]) -> list[str]:
    """Names of the classes that represent one run."""
    fields_of = {
        node.name: _fields(node)
        for source in sources
        if source.path.startswith(ROOMS_OF_RUNS)
        for node in source.tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    shapes = {name for name, fields in fields_of.items() if fields.get("manifest")}
    for name, fields in fields_of.items():
        held = set(re.findall(r"\w+", " ".join(fields.values())))
        if "run_id" in fields and held & shapes:
            shapes.add(name)
    return sorted(shapes)


def _fields(node: ast.ClassDef) -> dict[str, str]:
    """A class's fields with their types; methods have an empty one."""
    fields = {}
    for child in node.body:
        if isinstance(child, ast.AnnAssign):
            fields[ast.unparse(child.target)] = ast.unparse(child.annotation)
        elif isinstance(child, ast.FunctionDef) and child.name == "__init__":
            stored = [part for part in ast.walk(child) if isinstance(part, ast.Attribute)]
            fields |= {part.attr: "?" for part in stored if isinstance(part.ctx, ast.Store)}
        elif isinstance(child, ast.FunctionDef):
            fields[child.name] = ""
    return fields


def manifest_reads(source: Source) -> list[str]:
    """Keys that a file reads of a run's manifest by their names, each as often as it is read."""
    read: dict[tuple[int | None, int | None], str] = {}
    scopes: list[ast.stmt] = []
    for statement in source.tree.body:
        scopes += statement.body if isinstance(statement, ast.ClassDef) else [statement]
    for scope in scopes:
        nodes = list(ast.walk(scope))
        parts = {"manifest"}
        for _ in range(3):  # Parts of parts: no manifest is deeper.
            parts |= {name for node in nodes for name in _named_parts(node, parts)}
        for node in nodes:
            key = _key_read(node, parts)
            if key is not None and isinstance(node, ast.expr):
                read[node.end_lineno, node.end_col_offset] = key
    return list(read.values())


def _is_part(node: ast.AST, parts: set[str]) -> bool:
    """Whether an expression is a manifest or a part of one."""
    match node:
        case ast.Name(id=name):
            return name in parts
        case ast.Attribute(attr="manifest"):
            return True
        case ast.Subscript(value=whole) | ast.BoolOp(values=[whole, *_]):
            return _is_part(whole, parts)
        case ast.Call(func=ast.Attribute(value=whole, attr="get" | "items" | "values")):
            return _is_part(whole, parts)
        case ast.Call(func=ast.Name(id=name), args=[whole, *_]) if name in SECTION_FUNCTIONS:
            return _is_part(whole, parts)
    return False


def _named_parts(node: ast.AST, parts: set[str]) -> Iterator[str]:
    """Names that a statement gives to parts of a manifest."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            pairs = list(zip(targets, values, strict=False))
        case ast.Assign(targets=[target], value=value):
            pairs = [(target, value)]
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            pairs = [(target, value)]
        case ast.For(target=ast.Tuple(elts=[_, target]), iter=value):
            pairs = [(target, value)]
        case ast.comprehension(target=ast.Tuple(elts=[_, target]), iter=value):
            pairs = [(target, value)]
        case _:
            return
    for target, value in pairs:
        if isinstance(target, ast.Name) and _is_part(value, parts):
            yield target.id


def _key_read(node: ast.AST, parts: set[str]) -> str | None:
    """The key, for an expression that reads one of a manifest."""
    match node:
        case ast.Subscript(slice=ast.Constant(value=str(key)), ctx=ast.Load()):
            pass
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)), *_]):
            pass
        case ast.Call(func=ast.Name(), args=[_, ast.Constant(value=str(key))]):
            pass
        case _:
            return None
    return key if _is_part(node, parts) else None


def engine_comparisons(sources: Iterable[Source]) -> list[str]:
    """Places (``file:line``) outside the engines' room that ask an engine's name."""
    outside = [source for source in sources if not source.path.startswith(ROOM_OF_ENGINES)]
    constants = {
        ast.unparse(node.targets[0])
        for source in outside
        for node in source.tree.body
        if isinstance(node, ast.Assign) and _holds(node.value, ENGINES)
    }
    places = {
        f"{source.path}:{node.lineno}"
        for source in outside
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Compare | ast.keyword | ast.AnnAssign | ast.MatchValue)
        and _asks_engine(node, constants)
    }
    return sorted(places)


def _asks_engine(node: ast.AST, constants: set[str]) -> bool:
    match node:
        case ast.keyword(arg="engine") | ast.AnnAssign(target=ast.Name(id="engine")):
            return _holds(node, ENGINES)
        case ast.Compare(left=left, comparators=others):
            return any(_holds(part, ENGINES | constants) for part in (left, *others))
        case ast.MatchValue():
            return _holds(node, ENGINES)
    return False


def _holds(node: ast.AST, words: set[str]) -> bool:
    """Whether one of `words` is in an expression, as a literal or a name."""
    return any(
        (isinstance(part, ast.Constant) and part.value in words)
        or (isinstance(part, ast.Name) and part.id in words - ENGINES)
        for part in ast.walk(node)
    )


def sibling_arrows(checkout: Path) -> dict[str, set[Arrow]]:
    """Per package, with slashes: which of its siblings imports which."""
    sys.path.insert(0, str(checkout))
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    sys.path.remove(str(checkout))
    arrows: dict[str, set[Arrow]] = {}
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            before, after = importer.split("."), imported.split(".")
            pairs = enumerate(zip(before, after, strict=False))
            at, arrow = next(((at, pair) for at, pair in pairs if pair[0] != pair[1]), (0, None))
            if arrow is not None:  # None: one is in the other.
                arrows.setdefault("/".join(before[:at]) + "/", set()).add(arrow)
    return arrows


def circles(arrows: Iterable[Arrow]) -> list[tuple[str, ...]]:
    """The strongly connected components that are more than one sibling."""
    reached: dict[str, set[str]] = {}
    for begin, end in arrows:
        reached.setdefault(begin, set()).add(end)
    grew = True
    while grew:
        grew = False
        for found in reached.values():
            further = set().union(*(reached.get(name, ()) for name in found)) - found
            found |= further
            grew = grew or bool(further)
    return sorted(
        {
            tuple(sorted(other for other in found if name in reached.get(other, ())))
            for name, found in reached.items()
            if name in found
        }
    )


def names_given(source: Source) -> set[str]:
    """Every name that a file gives to something, its own included."""
    names = {Path(source.path).stem}
    for node in ast.walk(source.tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.arg(arg=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
    return names


def has_word(name: str, word: str) -> bool:
    """Whether a word is a part of a name, in CamelCase or in snake_case."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return f"_{word}_" in f"_{parts}_"


def types_defined(source: Source) -> list[str]:
    """Public classes and aliases of types that a file defines."""
    names = []
    for node in source.tree.body:
        match node:
            case ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                names.append(name)
    return [name for name in names if re.match(r"[A-Z]+[a-z]", name)]


def count(checkout: Path) -> Counts:
    """Everything that is counted in a checkout."""
    counts = Counts()
    sources, tests = read_sources(checkout, PACKAGE), read_sources(checkout, "tests")
    arrows = sibling_arrows(checkout)
    shapes, engines = shapes_of_a_run(sources), engine_comparisons(sources)
    reads = {source.path: manifest_reads(source) for source in sources}
    outside = {path: keys for path, keys in reads.items() if keys and path != MANIFEST_MODULE}
    cycles = [f"{room}: {' '.join(c)}" for room in sorted(arrows) for c in circles(arrows[room])]
    types = Counter(name for source in sources for name in types_defined(source))
    twice = sorted(name for name, times in types.items() if times > 1)
    opening = [ast.get_docstring(source.tree) or "" for source in sources]
    counts.figures = {
        "shapes of a run": f"{len(shapes)}",
        "key reads of a manifest, outside runs/manifest.py": f"{sum(map(len, outside.values()))}",
        "files that read them": f"{len(outside)}",
        "keys that are read": f"{len({key for keys in outside.values() for key in keys})}",
        "lines outside the engines that ask an engine's name": f"{len(engines)}",
        "files that ask it": f"{len({place.partition(':')[0] for place in engines})}",
        "import cycles": f"{len(cycles)}",
        "public types whose name is used twice": f"{len(twice)}",
        "module docstrings that begin with What, Which, How, Where": str(
            sum(text.startswith(ASKING) for text in opening)
        ),
        "lines of the package": f"{sum(source.lines for source in sources):,}",
        "lines of its tests": f"{sum(source.lines for source in tests):,}",
    }
    counts.notes = {
        "shapes of a run": ", ".join(shapes),
        "import cycles": "; ".join(cycles),
        "types with one name": ", ".join(twice),
        "engines' names": ", ".join(engines),
    }
    given = {source.path: names_given(source) for source in sources}
    for word in WORDS.split():
        found = {p: {name for name in names if has_word(name, word)} for p, names in given.items()}
        files = sum(map(bool, found.values()))
        counts.words[word] = f"{len(set().union(*found.values()))} in {files}"
    rooms: dict[str, list[int]] = {}
    for source in sources:
        rooms.setdefault(source.path.rpartition("/")[0] + "/", []).append(source.lines)
    for room, lines in sorted(rooms.items()):
        counts.rooms[room] = _size(lines, len(arrows.get(room, ())))
    every = [source.lines for source in sources]
    counts.rooms["all"] = _size(every, sum(map(len, arrows.values())))
    return counts


def _size(lines: list[int], arrows: int) -> str:
    return f"{len(lines)} × {sum(lines) / len(lines):.0f}, {arrows}"


def table(title: str, columns: Mapping[str, Mapping[str, str]]) -> str:
    """A Markdown table: one row per label, one column per checkout."""
    labels = sorted({label for column in columns.values() for label in column})
    longest = max(columns.values(), key=len)
    if set(labels) == set(longest):
        labels = list(longest)
    rows = [[title, *columns]]
    rows += [[label, *(column.get(label, "") for column in columns.values())] for label in labels]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (n + 2) for n in widths) + "|", *lines[1:]])


def main() -> None:
    """Count the checkouts that are named, or this one, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkout", nargs="*", type=Path, help="default: this one")
    paths = [path.resolve() for path in parser.parse_args().checkout]
    paths = paths or [Path(__file__).resolve().parents[1]]
    names = ("before", "after") if len(paths) == 2 else tuple(path.name for path in paths)
    counted = {name: count(path) for name, path in zip(names, paths, strict=True)}
    print(table("counted", {name: one.figures for name, one in counted.items()}), end="\n\n")
    print(table("word: names in files", {n: one.words for n, one in counted.items()}), end="\n\n")
    print(table("room: files × mean lines, arrows", {n: c.rooms for n, c in counted.items()}))
    for name, one in counted.items():
        for label, text in one.notes.items():
            print(f"\n{name}, {label}: {text or 'none'}")


if __name__ == "__main__":
    main()
