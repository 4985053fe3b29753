"""Reasoning forms: the marks that models put around their reasoning, and before their answer.

The table has what vLLM's reasoning parsers and SGLang's detectors know, the chat templates of
released models, and what prompts commonly ask for. A form may have several spellings: marks are
found in any case, with blanks and attributes in them (``< Think type="x">``).

All patterns are linear: whatever repeats in them is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

Tags = tuple[()] | tuple[str] | tuple[str, str]
"""What is known of a model's form: nothing, its name in the table, or its opening and closing."""

DEFAULT_TAGS = ("<think>", "</think>")
"""The tags of the R1 family, and of most others."""


@dataclass(frozen=True, slots=True)
class ReasoningForm:
    """One way to mark reasoning.

    Attributes:
        name: in the table, as in a model's card; the opening tag where it is not in the table.
        tags: opening and closing in their usual spelling.
        opening, closing: patterns. An opening that begins with ``\\A`` counts only where a text
            begins with it.
        otherwise: a closing that counts where a text has no other; empty for none.
        answer_end: what ends the answer; empty for nothing.
        strong: nothing else than reasoning is written so. A weak form's marks may be part of an
            answer: in the middle of a text they count only if they leave one behind them.
        answer_due: the form marks answers, too, so that a text without such a mark has none,
            even if the model ended it by itself.
        in_table: it is a known one.
    """

    name: str
    tags: tuple[str, str]
    opening: str
    closing: str
    otherwise: str = ""
    answer_end: str = ""
    strong: bool = True
    answer_due: bool = False
    in_table: bool = True

    @property
    def label(self) -> str:
        """Both tags, for people."""
        return f"{self.tags[0]} ... {self.tags[1]}"

    @property
    def opens_with_prose(self) -> bool:
        """Its opening are words, which count only at a text's beginning."""
        return self.opening.startswith(r"\A")

    @property
    def marks(self) -> re.Pattern[str]:
        """Its openings (group ``o``) and closings (group ``c``)."""
        return _marks(self.opening, self.closing)


_BLANK = r"\s{0,4}"


def _xml(name: str) -> tuple[str, str]:
    """Patterns of ``<name>`` and ``</name>``; ``<name/>`` is empty reasoning, closed at once."""
    word = rf"{re.escape(name)}(?::[\w-]{{1,40}})?"
    opening = rf"<{_BLANK}{word}(?:\s[^<>]{{0,300}})?(?<!/)>"
    closing = rf"<{_BLANK}(?:\\?/{_BLANK}{word}{_BLANK}|{word}{_BLANK}/{_BLANK})>"
    return opening, closing


def _element(name: str, *, strong: bool = False) -> ReasoningForm:
    opening, closing = _xml(name)
    return ReasoningForm(name, (f"<{name}>", f"</{name}>"), opening, closing, strong=strong)


def _bracket(name: str, words: str, *, strong: bool) -> ReasoningForm:
    usual = words.partition("|")[0]
    return ReasoningForm(
        name,
        (f"[{usual}]", f"[/{usual}]"),
        rf"\[{_BLANK}(?:{words}){_BLANK}\]",
        rf"\[{_BLANK}/{_BLANK}(?:{words}){_BLANK}\]",
        strong=strong,
    )


# A header of Harmony: its channel, perhaps a recipient, perhaps a data type, then the message.
_REST = r"(?:[^<]{0,120}(?:<\|constrain\|>[^<]{0,60})?<\|message\|>)?"
_CHANNEL = r"<\|(?:start\|>\s{0,4}assistant\b[^<]{0,120}<\|)?channel\|>\s{0,4}"
_FINAL = r"(?-i:final(?![a-z]))"

_STRONG = ("think", "thinking", "thought", "thoughts", "seed:think", "mm:think", "longcat_think")
_WEAK = (
    "reasoning",
    "reason",
    "analysis",
    "rationale",
    "scratchpad",
    "cot",
    "chain_of_thought",
    "thought_process",
    "thinking_process",
    "reasoning_process",
    "inner_thoughts",
    "inner_monologue",
    "internal_monologue",
    "antml:thinking",
)

FORMS: tuple[ReasoningForm, ...] = (
    *(_element(name, strong=True) for name in _STRONG),
    *(_element(name) for name in _WEAK),
    _bracket("magistral", "THINK", strong=True),
    _bracket("bracketed", "THINKING|THOUGHTS?|REASONING", strong=False),
    ReasoningForm(
        "kimi",
        ("◁think▷", "◁/think▷"),
        rf"◁{_BLANK}think{_BLANK}▷",
        rf"◁{_BLANK}/{_BLANK}think{_BLANK}▷",
    ),
    ReasoningForm(
        "kimi-k3",
        ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
        r"<\|open\|>think<\|sep\|>",
        r"<\|(?:close\|>think<\|sep\|>\s{0,4}(?:<\|open\|>response<\|sep\|>)?"
        r"|open\|>response<\|sep\|>)",
        answer_end=r"<\|close\|>(?:response|message)",
    ),
    ReasoningForm(
        "begin-of-thought",
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
        r"<\|begin_of_(?:thought|thinking|reasoning)\|>",
        r"<\|(?:end_of_(?:thought|thinking|reasoning)\|>\s{0,8}(?:<\|begin_of_solution\|>)?"
        r"|begin_of_solution\|>)",
        answer_end=r"<\|end_of_solution\|>",
    ),
    ReasoningForm(
        "cohere",
        ("<|START_THINKING|>", "<|END_THINKING|>"),
        r"<\|START_THINKING\|>",
        r"<\|END_THINKING\|>\s{0,8}(?:<\|START_(?:RESPONSE|TEXT)\|>)?",
        answer_end=r"<\|END_(?:RESPONSE|TEXT)\|>",
    ),
    ReasoningForm(
        "apertus",
        ("<|inner_prefix|>", "<|inner_suffix|>"),
        r"<\|inner_prefix\|>",
        r"<\|inner_suffix\|>",
    ),
    ReasoningForm(
        "think-start",
        ("<|think:start|>", "<|think:end|>"),
        r"<\|(?:think(?:ing)?[:_](?:start|begin)|(?:start|begin)_think(?:ing)?)\|>",
        r"<\|(?:think(?:ing)?[:_]end|end_think(?:ing)?)\|>",
    ),
    ReasoningForm(
        "solar",
        ("<|think|>", "<|begin|>assistant<|content|>"),
        r"<\|think(?:ing)?\|>",
        r"<\|(?:/think(?:ing)?|begin\|>\s{0,4}assistant\s{0,4}<\|content)\|>",
        answer_end=r"<\|end\|>",
    ),
    ReasoningForm(
        "inkling",
        ("<|content_thinking|>", "<|content_text|>"),
        r"<\|content_thinking\|>",
        r"<\|content_text\|>",
        answer_end=r"<\|(?:end_message|content_model_end_sampling)\|>",
        answer_due=True,
    ),
    ReasoningForm(
        "s1",
        ("<|im_start|>think", "<|im_start|>answer"),
        r"<\|im_start\|>think",
        r"<\|im_start\|>answer",
        answer_end=r"<\|im_(?:end|start)\|>",
    ),
    ReasoningForm(
        "gemma4",
        ("<|channel>thought", "<channel|>"),
        r"<\|channel>\s{0,4}(?:thought|thinking|analysis)?",
        r"<channel\|>",
        answer_end=r"<turn\|>",
    ),
    ReasoningForm(
        "harmony",
        ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
        rf"{_CHANNEL}(?!{_FINAL})(?:analysis|commentary|[a-z]{{1,20}}){_REST}",
        rf"{_CHANNEL}{_FINAL}{_REST}|<\|start\|>\s{{0,4}}assistant\s{{0,4}}<\|message\|>",
        otherwise=r"<\|end\|>(?=\s{0,9}[^<\s])(?!\s{0,9}assistant)",
        answer_end=r"<\|(?:end|return|call|start|channel)\|>",
        answer_due=True,
    ),
    # Harmony from a server that leaves special tokens out: no English word begins with "analysis".
    ReasoningForm(
        "harmony-stripped",
        ("analysis", "assistantfinal"),
        r"""\A\s*(?-i:analysis)(?=\w|["'(\[$\\*#])""",
        r"(?-i:assistantfinal(?![a-z])|(?<=\n)assistant\s{0,2}\nfinal\s{0,2}\n)",
        answer_due=True,
    ),
    ReasoningForm(
        "granite",
        ("Here is my thought process:", "Here is my response:"),
        r"\A\s*[#*]{0,3}\s{0,2}Here(?:['’]s| is) my thought process:?[*]{0,2}:?",
        r"[#*]{0,3}\s{0,2}Here(?:['’]s| is) my response:[*]{0,2}",
    ),
    ReasoningForm(
        "apriel",
        ("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),
        r"\A\s*Here are my reasoning steps:",
        r"\[BEGIN FINAL RESPONSE\]",
        answer_end=r"\[END FINAL RESPONSE\]",
    ),
    ReasoningForm(
        "ollama",
        ("Thinking...", "...done thinking."),
        r"\A\s*(?-i:Thinking)\.\.\.[ \t]{0,9}\r?\n",
        r"\.\.\.(?-i:done thinking)\.",
    ),
    ReasoningForm(
        "details",
        ('<details type="reasoning">', "</details>"),
        r"<details\b(?:[^<>]{0,300}\breasoning\b[^<>]{0,300}>"
        r"|[^<>]{0,300}>\s{0,9}<summary>\s{0,9}(?:thought|thinking|reasoning))",
        r"</details\s{0,4}>",
        strong=False,
    ),
)
"""The known forms."""

BY_NAME = {form.name: form for form in FORMS}


def form_of(tags: Tags) -> ReasoningForm | None:
    """The form that `tags` mean: one of the table where it has such tags, else one of their own.

    Returns:
        None for no tags, and for a name that the table does not have.
    """
    if len(tags) == 2:
        return _of_pair(tags[0], tags[1])
    return BY_NAME.get(tags[0]) if tags else None


def pair_of(tags: Tags) -> tuple[str, str]:
    """The opening and closing tag to put around reasoning that came apart from the answer.

    A pair of the user's own is taken as it is. `DEFAULT_TAGS` where nothing is known, and for
    forms whose marks are more than a pair of tags.
    """
    if len(tags) == 2:
        return tags[0], tags[1]
    form = form_of(tags)
    simple = form is not None and not (form.answer_due or form.opens_with_prose)
    return form.tags if form is not None and simple else DEFAULT_TAGS


def tags_of(value: object) -> Tags | None:
    """Tags from a JSON value: a list of no, one or two texts; None for anything else."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        return None
    match list(value):
        case []:
            return ()
        case [name]:
            return (name,)
        case [opening, closing] if opening and closing:
            return (opening, closing)
    return None


def part_of_a_mark(token: str, tags: Tags) -> bool:
    """Whether a special token is, or is a part of, a mark of the model's form.

    Args:
        token: the token's text.
        tags: what is known of the form; every form counts where nothing is.
    """
    known = form_of(tags)
    # Turns of many models begin as s1's answers do.
    forms = FORMS if known is None else (known,)
    return bool(token) and any(
        token in form.tags[0]
        or token in form.tags[1]
        or _full(form.answer_end or "(?!)", token)
        or _full(rf"{form.opening}|{form.closing}", token)
        for form in forms
        if form is known or form.name != "s1"
    )


@lru_cache(maxsize=64)
def _of_pair(opening: str, closing: str) -> ReasoningForm:
    bare = opening.strip() or opening, closing.strip() or closing
    for form in FORMS:
        usual = form.opening.removeprefix(r"\A")
        if bare == form.tags or (_full(usual, bare[0]) and _full(form.closing, bare[1])):
            return form
    patterns = re.escape(bare[0]), re.escape(bare[1])
    name = re.fullmatch(r"<([\w:.-]{1,60})>", bare[0])
    if name and bare[1] == f"</{name[1]}>":
        patterns = _xml(name[1])
    return ReasoningForm(bare[0], bare, *patterns, in_table=False)


def own_form(opening: str, closing: str) -> ReasoningForm:
    """A form that is in no table, with exactly these marks."""
    patterns = re.escape(opening), re.escape(closing)
    return ReasoningForm(opening, (opening, closing), *patterns, strong=False, in_table=False)


def _full(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.IGNORECASE) is not None


@lru_cache(maxsize=128)
def _marks(opening: str, closing: str) -> re.Pattern[str]:
    return joined([("o", opening), ("c", closing)])


def joined(named: Iterable[tuple[str, str]]) -> re.Pattern[str]:
    """Patterns as one, each a group of its name.

    Where all begin with a plain character the pattern says so first, and Python's `re` goes from
    one such character to the next: five times as fast through a text that has few of them.
    """
    parts = [(name, pattern, _first(pattern)) for name, pattern in named]
    if not all(first for _, _, first in parts):
        return re.compile("|".join(f"(?P<{name}>{of})" for name, of, _ in parts), re.IGNORECASE)
    firsts = list(dict.fromkeys(first for _, _, first in parts))
    by_first = [
        f"(?<={re.escape(each)})(?=[a-z/|\\\\\\s])(?:"
        + "|".join(f"(?P<{name}>{_rest(of, each)})" for name, of, first in parts if first == each)
        + ")"
        for each in firsts
    ]
    anyone = "".join(re.escape(each) for each in firsts)
    return re.compile(f"[{anyone}](?:{'|'.join(by_first)})", re.IGNORECASE)


def _first(pattern: str) -> str:
    """The mark's first character that all alternatives of a pattern begin with; empty if unlike."""
    for mark in "<[◁":
        escaped = re.escape(mark)
        alternatives = _alternatives(pattern)
        if all(one.startswith(escaped) for one in alternatives):
            return mark
    return ""


def _rest(pattern: str, first: str) -> str:
    return "|".join(one.removeprefix(re.escape(first)) for one in _alternatives(pattern))


def _alternatives(pattern: str) -> Sequence[str]:
    """The alternatives of a pattern at its top level."""
    found, depth, begin, index = [], 0, 0, 0
    while index < len(pattern):
        match pattern[index]:
            case "\\":
                index += 1
            case "(" | "[":
                depth += 1
            case ")" | "]":
                depth -= 1
            case "|" if depth == 0:
                found.append(pattern[begin:index])
                begin = index + 1
        index += 1
    return [*found, pattern[begin:]]
