"""The column that holds how each text ended: a field of a recording's lines or of a log's rows.

A column is the name of a field, or the way to one that is nested, its names joined by dots:
``choices.finish_reason``. A list on the way has an entry for each text of its row, unless the way
says by a number which entry is meant. A name that has dots itself is found as it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from lrmtest.errors import DataError
from lrmtest.grading.completion import FinishReason
from lrmtest.models.engines.recorded.finish_reason import told_reason
from lrmtest.unicode import quote

_MOST_WORDS, _MOST_NAMES = 5, 20
_MOST_KINDS = 200
_SHOWN = 60


def value_in(row: object, column: str, index: int = 0) -> object:
    """What a row holds in a column; None where it holds nothing.

    Args:
        row: a JSON value.
        column: the way to it.
        index: which of the row's texts is meant, from 0.
    """
    rest: str = column
    while rest:
        if isinstance(row, list):
            head, _, tail = rest.partition(".")
            named = head.isascii() and head.isdigit() and len(head) < 10
            place, rest = (int(head), tail) if named else (index, rest)
            row = row[place] if place < len(row) else None
        elif isinstance(row, Mapping):
            if rest in row:
                row, rest = row[rest], ""
            else:
                head, _, rest = rest.partition(".")
                row = row.get(head)
        else:
            return None
    if isinstance(row, list):
        return row[index] if index < len(row) else None
    return row


@dataclass(slots=True)
class EndColumn:
    """A column, and what has been read of it so far.

    Attributes:
        name: its name, or the way to it.
        texts: how many texts were looked up.
        empty: of how many nothing stands there.
        untold: words that tell no end, by how often they stood there.
    """

    name: str
    texts: int = 0
    empty: int = 0
    untold: Counter[str] = field(default_factory=Counter)

    def end_of(self, row: object, index: int = 0) -> tuple[FinishReason | None, str]:
        """How a text ended by its column, and the word there; None where that tells no end."""
        reason, word = told_reason(value_in(row, self.name, index))
        self.texts += 1
        if not word:
            self.empty += 1
        elif reason is None and (word in self.untold or len(self.untold) < _MOST_KINDS):
            self.untold[word] += 1
        elif reason is None:
            self.untold["others"] += 1
        return reason, word

    def line(self) -> str:
        """What was read of it, for the user."""
        told = self.texts - self.empty - self.untold.total()
        words = (
            f"column {quote(self.name, _SHOWN)} tells how {told:,} of {self.texts:,} texts ended"
        )
        if self.empty:
            words += f"; {self.empty:,} have nothing there"
        if self.untold:
            most = self.untold.most_common(_MOST_WORDS)
            shown = ", ".join(f"{quote(word, _SHOWN)} ({count:,})" for word, count in most)
            more = ", ..." if len(self.untold) > _MOST_WORDS else ""
            words += f"; {self.untold.total():,} have a word that tells no end: {shown}{more}"
        return words

    def check(self, where: str, first: object) -> None:
        """Refuse a column that no row has.

        Args:
            where: what was read.
            first: one of its rows, to tell what there is.

        Raises:
            DataError: nothing stood there in any row.
        """
        if self.empty < self.texts or not self.texts:
            return
        names = list(first)[:_MOST_NAMES] if isinstance(first, Mapping) else []
        there = ", ".join(quote(str(name), _SHOWN) for name in names) or "none"
        raise DataError(
            f"{where}: none of its {self.texts:,} texts has anything in column "
            f"{quote(self.name, _SHOWN)}",
            hint=f"a nested one is named by its way, choices.finish_reason; there are: {there}",
        )
