"""A shaded trace for a terminal: colours where it has them, else figures beside the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.rule import Rule
from rich.text import Text

from lrmtest.analysis.shaded_trace import SHADES, ShadedToken, ShadedTrace
from lrmtest.counted import counted
from lrmtest.reports.escape import one_line, plain
from lrmtest.reports.tables import open_table

_STYLES = ("", "underline", "black on yellow", "black on bright_red", "bold white on red")
"""By shade. A terminal may be light or dark: what has a background has its own colour, too."""
_TURN = {"would": ("▸", "◂"), "may": ("▹", "◃"), "": ("", "")}
"""Around a token at which the reader turns, where there are colours."""
_MOST_TURNS = 10
_BEFORE, _AFTER = 30, 20
"""Characters around a turn that the list of turns shows."""
_TOKEN = 400  # characters of one that is made safe
_UNSAID = 0.1
"""Without colours a token's figure stands beside it from here on: else there is nothing but
figures."""


TRACES_WITHOUT_TEXTS = (
    "what the tokens of the traces say is not known, so that they cannot be shown as {} reads "
    "them: lrmtest read it again, with a model from files (a folder or a GGUF file)"
)
TRACES_GONE = (
    "the tokens of run {} are not in this store, so that they cannot be shown shaded: name the "
    "baseline that they were saved beside (--baseline FILE)"
)


@dataclass(frozen=True, slots=True)
class Shaded:
    """A part of a shaded trace, as a rich renderable.

    Attributes:
        tokens: the part.
    """

    tokens: Sequence[ShadedToken]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        colours = console.color_system is not None and not console.no_color
        text = Text()
        for token in self.tokens:
            said = plain(token.text, _TOKEN)
            if colours:
                before, bare, after = _bare(said)
                left, right = _TURN[token.turn]
                text.append(before + left)
                text.append(bare, style=_STYLES[token.shade] or None)
                text.append(right + after)
            else:
                text.append(_marked(token, said))
        yield text


def shaded_view(
    trace: ShadedTrace, *, reader: str, writer: str, samples: Sequence[int], most: int
) -> list[RenderableType]:
    """One trace as its reader sees it, with the tokens at which the reader would turn.

    Args:
        trace: the trace.
        reader, writer: the models' names.
        samples: the indices of the samples that are this trace, token by token.
        most: characters of it that are shown, from a little before the first turn on.
    """
    figures, turns = trace.figures, trace.turns
    title = (
        f"sample {', '.join(map(str, samples))} of {one_line(writer, 60)}, "
        f"read by {one_line(reader, 60)}: "
        f"S {_between(figures.variation.low, figures.variation.high, trace)}, "
        f"{counted(figures.tokens, 'token')}, {_turns_said(turns)}"
    )
    parts: list[RenderableType] = [Rule(), Text(title, style="bold")]
    if not trace.named:
        parts.append(Text("some tokens' texts are not known here", style="yellow"))
    shown, before, after = _window(trace.tokens, turns, most)
    if before:
        parts.append(Text(f"… ({counted(before, 'token')} before)", style="dim"))
    parts.append(Shaded(shown))
    if after:
        parts.append(Text(f"… ({counted(after, 'token')} more: --full)", style="dim"))
    if turns:
        parts += [Text(), _turn_table(trace, turns)]
        if len(turns) > _MOST_TURNS:
            parts.append(Text(f"... and {len(turns) - _MOST_TURNS:,} more", style="dim"))
    return parts


def shaded_legend(trace: ShadedTrace) -> RenderableType:
    """What shades and marks mean."""
    return _Legend(trace.figure)


@dataclass(frozen=True, slots=True)
class _Legend:
    figure: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        what = {
            "exact": "total variation of the two next-token distributions at its place",
            "estimated": "its estimate from the token itself, (1 - w)+",
            "bounded": "the upper bound on its estimate from the token itself",
        }[self.figure]
        turn = "the reader would keep the token less than every other time"
        if console.color_system is None or console.no_color:
            yield Text(
                f"[token|0.34]: {what}, from {_UNSAID} on. [token|0.98!]: {turn}; with ? it may.",
                style="dim",
            )
            return
        text = Text.assemble(("shade: ", "dim"))
        for number, (low, high) in enumerate(zip(SHADES, [*SHADES[1:], 1.0], strict=True), 1):
            text.append(f" {low:g} to {high:g} ", style=_STYLES[number])
            text.append(" ")
        text.append(f" {what}. ▸turn◂: {turn}; ▹◃: it may.", style="dim")
        yield text


def _marked(token: ShadedToken, said: str) -> str:
    """A token with its figure beside it, white space outside of the brackets."""
    if token.high < _UNSAID and not token.turn:
        return said
    before, bare, after = _bare(said)
    sign = {"would": "!", "may": "?", "": ""}[token.turn]
    return f"{before}[{bare}|{token.high:.2f}{sign}]{after}"


def _bare(said: str) -> tuple[str, str, str]:
    """A token without the white space around it, and that before and behind it."""
    bare = said.strip()
    if not bare:
        return "", "", said
    before, _, after = said.partition(bare)
    return before, bare, after


def _turns_said(turns: Sequence[ShadedToken]) -> str:
    if not turns:
        return "no place at which it would turn"
    surely = sum(token.turn == "would" for token in turns)
    said = f"would turn at {counted(surely, 'token')}" if surely else ""
    may = f"may turn at {counted(len(turns) - surely, 'token')}" if surely < len(turns) else ""
    return f"{', '.join(filter(None, (said, may)))}, first at {turns[0].place + 1:,}"


def _between(low: float, high: float, trace: ShadedTrace) -> str:
    sign = "" if trace.figure == "exact" else "~"
    shown = f"{low:.3g}", f"{high:.3g}"
    return f"{sign}{shown[0]}" if shown[0] == shown[1] else f"{sign}{shown[0]}..{shown[1]}"


def _window(
    tokens: Sequence[ShadedToken], turns: Sequence[ShadedToken], most: int
) -> tuple[Sequence[ShadedToken], int, int]:
    """The tokens to show, and how many are before and after them."""
    first = tokens.index(turns[0]) if turns else 0
    room = most // 3
    start = first
    while start > 0 and room > 0:
        start -= 1
        room -= len(tokens[start].text)
    end, room = start, most
    while end < len(tokens) and room > 0:
        room -= len(tokens[end].text)
        end += 1
    return tokens[start:end], start, len(tokens) - end


def _turn_table(trace: ShadedTrace, turns: Sequence[ShadedToken]) -> RenderableType:
    table = open_table()
    table.add_column("at token", justify="right")
    table.add_column("TV", justify="right")
    table.add_column("", no_wrap=True)
    table.add_column("where it would turn", overflow="fold")
    numbers = {token.place: number for number, token in enumerate(trace.tokens)}
    for token in turns[:_MOST_TURNS]:
        at = numbers[token.place]
        left = "".join(one.text for one in trace.tokens[max(0, at - _BEFORE) : at])[-_BEFORE:]
        right = "".join(one.text for one in trace.tokens[at + 1 : at + 1 + _AFTER])[:_AFTER]
        bare = token.text.strip() or repr(token.text)
        table.add_row(
            Text(f"{token.place + 1:,}"),
            Text(_between(token.low, token.high, trace)),
            Text("would" if token.turn == "would" else "may"),
            Text(f"{one_line(left, 80)} ▸{one_line(bare, 80)}◂ {one_line(right, 80)}"),
        )
    return table
