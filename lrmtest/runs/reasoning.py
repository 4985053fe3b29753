"""The form of a run's reasoning: what its texts show, and what of that must be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lrmtest.grading.form_in_text import unknown_mark
from lrmtest.grading.forms import Tags, form_of
from lrmtest.grading.split import split
from lrmtest.models.spec import KnownTags
from lrmtest.runs.manifest import ReasoningSection

FIRST_TEXTS = 200
"""So many texts of a run that generates are looked at; of recordings and logs all are."""
LONG_CHARS = 4096
"""Of 71 recorded answers without any tag the longest that ended by itself, but one, has 2,992
characters: what is longer has probably reasoned."""

_TOP = 3


@dataclass(slots=True)
class ReasoningSeen:
    """What the texts of a run show of its form.

    Attributes:
        tags: what is known of the form.
        texts, seen, unknown, long: as in `ReasoningSection`.
    """

    tags: Tags = ()
    texts: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    long: int = 0

    def look_at(self, text: str) -> None:
        """Count a text."""
        self.texts += 1
        form = split(text, self.tags).form
        if form is not None:
            self.seen[form.label] += 1
        if form is None or not form.in_table:
            if mark := unknown_mark(text):
                if not self.tags or mark != self.tags[0]:
                    self.unknown[mark] += 1
            elif form is None and len(text) >= LONG_CHARS:
                self.long += 1


def section_of(known: KnownTags, texts: Iterable[str] = ()) -> ReasoningSection:
    """A manifest's section: what is known, and what `texts` show."""
    seen = ReasoningSeen(known.tags)
    for text in texts:
        seen.look_at(text)
    return with_seen(
        ReasoningSection(
            tags=known.tags,
            known_by=known.known_by or "texts",
            prefilled=known.prefilled or None,
        ),
        seen,
    )


def known_of(section: ReasoningSection) -> KnownTags:
    """What was known before any text was there: the other way round of `section_of`."""
    if section.known_by in (None, "texts"):
        return KnownTags()
    return KnownTags(section.tags or (), section.known_by, prefilled=bool(section.prefilled))


def with_seen(section: ReasoningSection, seen: ReasoningSeen) -> ReasoningSection:
    """A section with what its run's texts show."""
    return replace(
        section,
        texts=seen.texts or None,
        seen=dict(seen.seen.most_common()) or None,
        unknown=dict(seen.unknown.most_common()) or None,
        long=seen.long or None,
    )


def together(one: ReasoningSection, other: ReasoningSection) -> ReasoningSection:
    """What two parts of a run show; what was known is the other's."""
    return replace(
        other,
        raw=one.raw,
        texts=(one.texts or 0) + (other.texts or 0) or None,
        seen=dict(Counter(_counts(one.seen)) + Counter(_counts(other.seen))) or None,
        unknown=dict(Counter(_counts(one.unknown)) + Counter(_counts(other.unknown))) or None,
        long=(one.long or 0) + (other.long or 0) or None,
    )


def form_seen(section: ReasoningSection) -> str:
    """The label of the form that most texts have; empty where none has any."""
    counts = _counts(section.seen)
    return max(counts, key=lambda label: counts[label]) if counts else ""


def told_form(section: ReasoningSection) -> str:
    """How the reasoning is marked and how that is known, in short; empty where nothing is."""
    seen, texts = _counts(section.seen), section.texts or 0
    known = form_of(section.tags or ())
    if section.known_by in (None, "texts"):
        if not seen:
            return ""
        forms = ", ".join(f"{label} in {count:,} of {texts:,} texts" for label, count in _top(seen))
        return f"reasoning tags seen: {forms}"
    if known is None:
        return ""
    return f"reasoning tags {known.label} (by its {section.known_by})"


def warnings_of(section: ReasoningSection) -> list[str]:
    """What may make verdicts wrong, a sentence each: marks that are not known, or not the model's.

    Texts are split by what they show, so that these are about what cannot be seen there.
    """
    found = list(_unknown(section))
    seen, texts = _counts(section.seen), section.texts or 0
    known = form_of(section.tags or ())
    if known is not None:
        others = {label: count for label, count in seen.items() if label != known.label}
        if others:
            forms = ", ".join(f"{label} in {count:,}" for label, count in _top(others))
            found.append(
                f"reasoning tags are {known.label} by its {section.known_by}, but of {texts:,} "
                f"texts {forms}: these are split by what they have"
            )
    elif len(seen) > 1:
        forms = ", ".join(f"{label} in {count:,}" for label, count in _top(seen))
        found.append(f"reasoning is marked in several ways: {forms}; each text is split by its own")
    long = section.long or 0
    if 2 * long >= texts > 0:
        tags = f"without {known.label}" if known is not None else "without any reasoning tag"
        found.append(
            f"{long:,} of {texts:,} texts are long, and {tags}: if the model reasons before it "
            "answers, its reasoning is graded as its answer; name its tags with reasoning_tags in "
            "a model card"
        )
    return found


def _unknown(section: ReasoningSection) -> Iterator[str]:
    unknown, seen = _counts(section.unknown), _counts(section.seen)
    for mark, count in _top(unknown):
        split_at = any(label.startswith(f"{mark} ") for label in seen)
        yield (
            f"{count:,} of {section.texts or 0:,} texts begin with {mark}, which is no reasoning "
            f"tag that lrmtest knows: "
            + ("what is between such tags is taken" if split_at else "it is not taken")
            + " for reasoning; name the model's tags with reasoning_tags in a model card"
        )


def _counts(raw: Mapping[str, Any] | None) -> dict[str, int]:
    """Counts from foreign JSON."""
    return {
        str(name): count
        for name, count in (raw or {}).items()
        if isinstance(count, int) and not isinstance(count, bool) and count > 0
    }


def _top(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])[:_TOP]
