"""An engine's noise, as it was measured."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from lrmtest.counted import counted
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import percent
from lrmtest.reports.tables import open_table
from lrmtest.runs.manifest import NoiseSection


def noise_view(noise: NoiseSection, name: str, path: Path) -> RenderableType:
    """A measurement as a rich renderable.

    Args:
        noise: as it was measured.
        name: the model's.
        path: where it is kept.
    """
    questions, repeats = noise.questions or 0, noise.repeats or 0
    at_once = ", ".join(noise.concurrency or ())
    heading = (
        f"{one_line(name, 80)} at temperature 0, {counted(questions, 'question')} asked {repeats} "
        f"times ({at_once} at once): share of pairs of runs in which they differ"
    )
    table = open_table()
    table.add_column("")
    table.add_column("differ", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    for label, share, low, high in (
        ("text", noise.texts, noise.texts_low, noise.texts_high),
        ("verdict", noise.verdicts, noise.verdicts_low, noise.verdicts_high),
    ):
        table.add_row(label, percent(share), f"[{percent(low)}, {percent(high)}]")
    parts: list[RenderableType] = [Text(heading), "", table, ""]
    if noise.first_difference is not None and noise.length is not None:
        parts.append(
            Text(
                f"Texts that differ do so from character {noise.first_difference:,.0f} of "
                f"{noise.length:,.0f} on (medians)."
            )
        )
    parts.append(
        Text(
            f"Kept in {one_line(str(path), 300)}; runs at temperature 0 of this model, with the "
            "same files, engine and engine options, say it. It holds for texts of this length: "
            "longer ones differ more often.",
            style="dim",
        )
    )
    return Group(*parts)
