"""The figures of each trace, kept as they come, so that whoever is interrupted goes on.

A file for each pair of models and way of computing, named by their fingerprint: a line of JSON for
each trace and each thing that was found of it, and one of the models' modules, without which they
would have to be opened to say what is there. A line that is not whole, as a kill leaves the last
one, that is not what is expected, or that is of another trace under the same key, is as if it were
not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lrmtest.locate.attribution.attribute import TraceMends
from lrmtest.locate.facts import ModuleFacts
from lrmtest.locate.lines import append_lines, are_numbers, is_number, kept_lines, trace_digest
from lrmtest.models.reading import Written
from lrmtest.runs.keys import fingerprint


@dataclass(slots=True)
class Kept:
    """What is kept in a file, and grows.

    Attributes:
        path: the file; made with the first line.
        digests: of the traces that are at work, by their keys.
        through_layers: what was attributed through another number of layers is left alone; what was
            really restored is the same for all.
        mends: what was attributed, by the traces' keys.
        restored: losses with modules restored, by the traces' keys and by set.
        beside: mends beside modules that are restored, by the traces' keys and by the set of these.
        rows_beside: by a set of units that are restored, by module, what each of its rows would
            mend beside them, on all these traces together.
        modules: every module's facts, in the model's order; none where they are not kept yet.
    """

    path: Path
    digests: Mapping[str, str]
    through_layers: int = 1
    mends: dict[str, TraceMends] = field(default_factory=dict)
    restored: dict[str, dict[str, float]] = field(default_factory=dict)
    beside: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    rows_beside: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    modules: dict[str, ModuleFacts] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, written: Sequence[Written], through_layers: int = 1) -> Kept:
        """What is in a file, which need not be there, of these traces.

        Raises:
            DataError: it cannot be read.
        """
        digests = {one.place.key: trace_digest(one.trace) for one in written}
        kept = cls(path, digests, through_layers)
        for line in kept_lines(path):
            kept._take(line)
        return kept

    def keep_modules(self, modules: Mapping[str, ModuleFacts]) -> None:
        """Keep the facts of all modules.

        Raises:
            StoreError: it cannot be written.
        """
        self._write([{"modules": {name: asdict(facts) for name, facts in modules.items()}}])
        self.modules = dict(modules)

    def add_mends(self, found: Iterable[TraceMends]) -> None:
        """Keep what was attributed.

        Raises:
            StoreError: it cannot be written.
        """
        found = list(found)
        self._write(
            {
                **self._attributed(one.key),
                "losses": one.losses,
                "parents_losses": one.parents_losses,
                "mends": one.mends,
                "slopes": one.slopes,
            }
            for one in found
        )
        self.mends |= {one.key: one for one in found}

    def add_restored(self, found: Mapping[str, Mapping[str, float]]) -> None:
        """Keep losses with modules restored, by the traces' keys and by set.

        Raises:
            StoreError: it cannot be written.
        """
        self._write({**self._of(key), "restored": losses} for key, losses in found.items())
        for key, losses in found.items():
            self.restored.setdefault(key, {}).update(losses)

    def add_beside(self, name: str, found: Iterable[TraceMends]) -> None:
        """Keep what was attributed beside a set of modules that are restored.

        Raises:
            StoreError: it cannot be written.
        """
        found = list(found)
        self._write(
            {**self._attributed(one.key), "beside": name, "mends_beside": one.mends}
            for one in found
        )
        for one in found:
            self.beside.setdefault(one.key, {})[name] = one.mends

    def add_rows_beside(self, name: str, found: Mapping[str, Sequence[float]]) -> None:
        """Keep what rows would mend beside a set of units that are restored, to six digits.

        Raises:
            StoreError: it cannot be written.
        """
        rows = {module: [float(f"{each:.6g}") for each in terms] for module, terms in found.items()}
        self._write([{"rows_beside": name, "traces": self._together, "rows": rows}])
        self.rows_beside[name] = rows

    @property
    def _together(self) -> str:
        """Equal for the same traces of the same samples."""
        return fingerprint(dict(self.digests))

    def _of(self, key: str) -> dict[str, str]:
        return {"key": key, "trace": self.digests[key]}

    def _attributed(self, key: str) -> dict[str, Any]:
        # Lines from before there was a choice are of one layer, and say nothing of it.
        more = {"through_layers": self.through_layers} if self.through_layers != 1 else {}
        return {**self._of(key), **more}

    def _write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        append_lines(self.path, lines)

    def _take(self, found: Mapping[str, Any]) -> None:
        if "modules" in found:
            self.modules = _facts(found["modules"]) or self.modules
            return
        if isinstance(name := found.get("rows_beside"), str):
            rows: Any = found.get("rows")
            if found.get("traces") == self._together and _are_rows(rows):
                self.rows_beside[name] = rows
            return
        if not isinstance(key := found.get("key"), str):
            return
        if key not in self.digests or found.get("trace") != self.digests[key]:
            return
        if "restored" in found:
            if are_numbers(restored := found["restored"]):
                self.restored.setdefault(key, {}).update(restored)
            return
        if found.get("through_layers", 1) != self.through_layers:
            return
        if isinstance(name := found.get("beside"), str):
            if "mends_beside" in found and are_numbers(mends := found["mends_beside"]):
                self.beside.setdefault(key, {})[name] = mends
            return
        try:
            lists = [found["losses"], found["parents_losses"], *found["slopes"].values()]
            whole = are_numbers(found["mends"]) and all(
                isinstance(each, list) and all(map(is_number, each)) for each in lists
            )
        except (KeyError, AttributeError):
            return
        if whole:
            losses, parents = found["losses"], found["parents_losses"]
            self.mends[key] = TraceMends(key, losses, parents, found["mends"], found["slopes"])


def _are_rows(found: Any) -> bool:
    """Whether a value is an object of lists of finite numbers."""
    return isinstance(found, dict) and all(
        isinstance(each, list) and all(map(is_number, each)) for each in found.values()
    )


def _facts(found: Any) -> dict[str, ModuleFacts]:
    """Modules' facts; none where anything is not what is expected."""
    try:
        facts = {name: ModuleFacts(**each) for name, each in found.items()}
    except (TypeError, AttributeError):
        return {}
    counts = [
        count
        for each in facts.values()
        for count in (each.rows, each.columns, each.zeros, each.parents_zeros)
    ]
    whole = all(type(count) is int and count >= 0 for count in counts)
    return facts if whole and all(type(each.differs) is bool for each in facts.values()) else {}
