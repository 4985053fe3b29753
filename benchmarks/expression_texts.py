r"""Spellings of an expression that say the same, and neighbours of it that do not.

Made from the LaTeX of a reference by editing its text, without the parser that is tested by them.
A spelling changes how the expression is written; a neighbour changes what it says, by what models
get wrong: a sign, a digit, a factor, the order of a pair, a bracket, an element, a unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FRACTION = re.compile(r"\\[dt]?frac\s?\{([^{}]*)\}\s?\{([^{}]*)\}")
_SHORT_FRACTION = re.compile(r"\\frac ?(\d)(\d)(?!\d)")
_INTEGER = re.compile(r"-?\d+")
_DECIMAL = re.compile(r"-?\d*\.\d+")
_LETTERS = re.compile(r"\\text\{\(?[A-Za-z]+\)?\}")
_UNIT = re.compile(r"\\(?:text|mbox)\{\s?[a-z]+\s?\}(?:\^2)?$|\^\\circ$")
_BASED = re.compile(r"(\d+)_\{?(\d+)\}?")
_MATRIX = "\\begin{pmatrix}"
_POLYNOMIAL = re.compile(r"[-+ \da-z^{}\\]+")


def is_scalar(answer: str) -> bool:
    """Whether an answer is one value: no text, tuple, list, interval, matrix, relation or unit."""
    return not (
        re.search(
            r"[=,\[\]_$]|\\text|\\mbox|\\begin|\\in\b|\\pm|\\cup|\\infty|\\circ|\\\$|\\\{", answer
        )
        or re.fullmatch(r"\(.*,.*\)", answer)
    ) or bool(re.fullmatch(r"-?\d+", answer))


def _split(text: str, separator: str) -> list[str]:
    """The parts of a text between separators outside of all brackets."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == separator and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def _terms(answer: str) -> list[str]:
    """The signed terms of a sum; one of anything else."""
    if not is_scalar(answer):
        return [answer]
    terms, depth, start = [], 0, 0
    for at, character in enumerate(answer):
        depth += (character in "([{") - (character in ")]}")
        if character in "+-" and depth == 0 and answer[start:at].strip() and answer[at - 1] != "^":
            terms.append(answer[start:at].strip())
            start = at
    return [*terms, answer[start:].strip()]


def _elements(answer: str) -> tuple[str, list[str], str] | None:
    """Opening, elements and closing of a tuple, an interval, a set or a list of several."""
    plain = answer.replace("\\left", "").replace("\\right", "").strip()
    match = re.fullmatch(r"(\\\{|[(\[]|)(.*?)(\\\}|[)\]]|)", plain, re.DOTALL)
    if match is None or bool(match[1]) != bool(match[3]) or "\\cup" in plain or "\\!" in plain:
        return None
    if "=" in plain or re.fullmatch(r"\d{1,3}(,\d{3})+", plain) or "\\begin" in plain:
        return None
    parts = [part.strip() for part in _split(match[2], ",")]
    return (match[1], parts, match[3]) if len(parts) > 1 else None


def spellings(answer: str) -> Iterator[str]:
    """Ten or more spellings of a reference, each of another sort; the first is itself."""
    yield answer
    yield f"${answer}$"
    yield rf"\displaystyle {answer}."
    yield rf"\( {answer} \)"
    if "\\frac" in answer:
        yield _SHORT_FRACTION.sub(r"\\dfrac{\1}{\2}", answer).replace("\\frac", "\\tfrac")
        if _FRACTION.search(answer) and not re.match(r"\d", answer):
            yield _FRACTION.sub(r"((\1)/(\2))", answer)
        yield re.sub(r"\\frac\{(\d)\}\{(\d)\}", r"\\frac\1\2", answer)
    if "\\sqrt" in answer:
        yield re.sub(r"\\sqrt\{(\d)\}", r"\\sqrt\1", answer)
        yield re.sub(r"\\sqrt\{?(\d+)\}?", r"\\sqrt[2]{\1}", answer)
        if "\\frac" not in answer and "\\pm" not in answer:
            yield re.sub(r"\\sqrt\{?(\d+)\}?", r" sqrt(\1)", answer)
            yield re.sub(r"\\sqrt\{?(\d+)\}?", r"{\1}^{\\frac{1}{2}}", answer)
    if re.search(r"[(\[]", answer) and "\\text" not in answer:
        yield re.sub(
            r"([)\]])",
            r"\\right\1",
            re.sub(r"([(\[])", r"\\left\1", answer.replace("\\left", "").replace("\\right", "")),
        )
    if "-" in answer:
        yield answer.replace("-", "\N{MINUS SIGN}")
    if re.search(r"[-+,=]", answer) and "\\text" not in answer and "\\!" not in answer:
        yield re.sub(r"\s*([-+=])\s*", r" \1 ", answer).replace(", ", ",\\; ")
    if "\\pi" in answer:
        yield answer.replace("\\pi", "π")
        yield re.sub(r"(\d) ?\\pi", r"\1 \\cdot \\pi", answer)
    yield from _of_scalar(answer)
    yield from _of_shape(answer)
    yield from _of_number(answer)
    yield from _of_text(answer)


def _of_scalar(answer: str) -> Iterator[str]:
    if not is_scalar(answer):
        return
    yield f"x = {answer}"
    yield f"{{{answer}}}"
    yield f"({answer})"
    terms = _terms(answer)
    if len(terms) > 1:
        last = terms[-1] if terms[-1][0] in "+-" else f"+{terms[-1]}"
        moved = " ".join([last, *(t if t[0] in "+-" else f"+ {t}" for t in terms[:-1])])
        yield moved.removeprefix("+").strip()
    yield rf"\frac{{2({answer})}}{{2}}"
    yield f"-(-({answer}))"
    yield f"({answer}) + 0"
    yield rf"1 \cdot ({answer})"
    yield rf"({answer}) \times \frac{{3}}{{3}}"


def _of_shape(answer: str) -> Iterator[str]:
    found = _elements(answer)
    if found is not None:
        opening, parts, closing = found
        if not opening or opening == "\\{":
            yield ", ".join(reversed(parts))
            yield r"\{" + ",".join(parts) + r"\}"
            yield r" \text{ and } ".join(parts)
            yield f"x = {parts[0]} or x = {' or x = '.join(parts[1:])}"
            yield r"\lbrace " + ", ".join(reversed(parts)) + r" \rbrace"
            yield "$" + "$, $".join(parts) + "$"
            yield "x \\in \\{" + "; ".join(parts) + "\\}"
        else:
            yield rf"\bigl{opening}{','.join(parts)}\bigr{closing}"
            yield f"{opening}{' , '.join(parts)}{closing}"
            yield rf"\left{opening}\,{', '.join(f'{{{part}}}' for part in parts)}\,\right{closing}"
            yield (
                opening
                + ",".join(
                    rf"\frac{{3({part})}}{{3}}" if "infty" not in part else part for part in parts
                )
                + closing
            )
            yield (
                opening
                + ", ".join(f"{part} + 0" if "infty" not in part else part for part in parts)
                + closing
            )
            yield f"x = {answer}"
    if "\\cup" in answer:
        parts = [part.strip() for part in answer.split("\\cup")]
        yield r" \cup ".join(reversed(parts))
        yield "∪".join(parts)
        yield rf"x \in {answer}"
        yield " or ".join(_inequality(part) for part in parts)
        yield answer.replace("\\infty", "+\\infty").replace("-+", "-")
        yield " U ".join(parts).replace(" U ", " union ")
    if "\\in [" in answer:
        inner = answer.partition("\\in ")[2]
        yield inner
        yield _inequality(inner)
        yield f"x∈{inner}"
        yield _inequality(inner).replace("\\le", "≤")
        yield _inequality(inner).replace("\\le", "\\leq")
        yield answer.replace("[", "\\left[").replace("]", "\\right]")
    if _MATRIX in answer:
        for name in ("bmatrix", "matrix"):
            yield answer.replace("pmatrix", name)
        columns = "c" * (1 + answer.partition("\\\\")[0].count("&"))
        body = answer.removeprefix(_MATRIX).removesuffix("\\end{pmatrix}")
        yield rf"\left(\begin{{array}}{{{columns}}}{body}\end{{array}}\right)"
        yield _MATRIX + re.sub(r"(-?\d+)/(\d+)", r"\\frac{\1}{\2}", body) + "\\end{pmatrix}"
        yield _MATRIX + re.sub(r"(-?\d+(?:/\d+)?)", r"{\1}", body) + "\\end{pmatrix}"
        yield rf"1 \cdot {answer}"
        yield re.sub(r"(?<![\d/])(-?\d+(?:/\d+)?)", r"\\frac{2 \\cdot \1}{2}", answer)
    if "\\pm" in answer and answer[1:2] != "{" and "," not in answer:
        left, _, right = answer.partition("\\pm")
        yield f"{left} + {right}, {left} - {right}"
        yield rf"\{{{left} - {right}, {left} + {right}\}}"
        yield f"x = {answer}"
        yield rf"{left}\mp{right}"
        yield f"{left}±{right}"
    if "=" in answer:
        left, _, right = (part.strip() for part in answer.partition("="))
        yield f"{right} = {left}"
        yield f"{left}={right}"
        yield rf"{left} = {right} + 0"
        yield f"{{{left}}} = {{{right}}}"
        yield rf"\boxed{{{left} = {right}}}"
        if re.fullmatch("[a-z]", left):
            yield right
            yield f"{left} - ({right}) = 0"


def _inequality(interval: str) -> str:
    opening, low, high, closing = re.fullmatch(
        r"([(\[])(.*),(.*)([)\]])", interval.strip()
    ).groups()  # type: ignore[union-attr]
    signs = ("<" if opening == "(" else "\\le"), ("<" if closing == ")" else "\\le")
    if "infty" in low:
        return f"x {signs[1]} {high.strip()}"
    if "infty" in high:
        return f"{low.strip()} {signs[0]} x"
    return f"{low.strip()} {signs[0]} x {signs[1]} {high.strip()}"


def _of_number(answer: str) -> Iterator[str]:
    plain = re.sub(r",\\! ?|(?<=\d),(?=\d{3}(?!\d))|^\\\$", "", answer)
    if _INTEGER.fullmatch(plain):
        if not answer.startswith("\\$"):
            yield f"{plain}.0"
            yield rf"{plain} \text{{ units}}"
        yield f"{int(plain):,}"
        yield f"{int(plain):,}".replace(",", "{,}")
        yield rf"\frac{{{2 * int(plain)}}}{{2}}"
        yield rf"\mathbf{{{plain}}}"
        yield rf"\text{{{plain}}}"
    if _DECIMAL.fullmatch(plain):
        digits = len(plain.partition(".")[2])
        yield rf"\frac{{{plain.replace('.', '').lstrip('0')}}}{{{10**digits}}}"
        yield f"{plain}0"
        yield f"0{plain}" if plain.startswith(".") else f"{plain}00"
        yield rf"{plain.replace('.', '').lstrip('0')} \times 10^{{-{digits}}}"
    if answer.startswith("\\$"):
        yield plain
        yield rf"{plain} \text{{ dollars}}"
        yield f"\\${plain}"
        yield f"\\$ {plain}"
        yield f"\\$({plain})"
        yield f"x = \\${plain}"
        yield f"${plain}$ dollars"
    if "^\\circ" in answer:
        number = answer.partition("^")[0]
        yield number
        yield f"{number}°"
        yield rf"{number}^{{\circ}}"
        yield rf"{number}\text{{ degrees}}"
        yield f"{number} degrees"
        yield rf"{number}\degree"
        yield rf"x = {number}^\circ"
    elif _UNIT.search(answer) and not _LETTERS.fullmatch(answer):
        number = _UNIT.sub("", answer).strip()
        yield number
        yield answer.replace("\\mbox", "\\text")
        yield answer.replace("\\text", "\\mathrm")
        yield answer.replace("\\mbox", "\\textrm")
        yield rf"x = {answer}"
        yield rf"{number} \, " + answer[len(_UNIT.sub("", answer)) :]
        yield rf"\frac{{2 \cdot {number}}}{{2}}" + answer[len(_UNIT.sub("", answer)) :]
        yield f"{{{number}}} {answer[len(_UNIT.sub('', answer)) :]}"
    if based := _BASED.fullmatch(answer):
        digits, base = based.groups()
        yield f"{digits}_{base}" if len(base) == 1 else answer
        yield f"{digits}_{{{base}}}"
        yield f"({digits})_{{{base}}}"
        yield rf"{digits}_{{\text{{{base}}}}}"
        yield rf"\text{{{digits}}}_{base}"
        yield rf"{{{digits}}}_{{{base}}}"
        yield f"{digits}₀₁₂₃₄₅₆₇₈₉"[: len(digits)] + "₀₁₂₃₄₅₆₇₈₉"[int(base)]
        yield rf"{digits}\,_{{{base}}}"
    if mixed := re.fullmatch(r"(\d+) ?\\frac\{(\d+)\}\{(\d+)\}", answer):
        whole, top, bottom = map(int, mixed.groups())
        yield rf"\frac{{{whole * bottom + top}}}{{{bottom}}}"
        yield f"{whole} {top}/{bottom}"
        yield rf"{whole} + \frac{{{top}}}{{{bottom}}}"
        yield str((whole * bottom + top) / bottom)
    fraction = re.fullmatch(r"(-?)\\d?frac\{(\d+)\}\{(\d+)\}", answer)
    if fraction:
        sign, top, bottom = fraction[1], int(fraction[2]), int(fraction[3])
        yield f"{sign}{top}/{bottom}"
        yield rf"{sign}\frac{{{7 * top}}}{{{7 * bottom}}}"
        yield rf"\frac{{{sign}{top}}}{{{bottom}}}"
        if bottom in (2, 4, 5, 8, 16, 25, 50, 100):
            yield f"{sign}{top / bottom}"


def _of_text(answer: str) -> Iterator[str]:
    if not _LETTERS.fullmatch(answer):
        return
    word = answer.removeprefix("\\text{").removesuffix("}")
    yield word
    yield rf"\textbf{{{word}}}"
    yield rf"\mathrm{{{word}}}"
    yield rf"\text{{ {word} }}"
    yield rf"\text{{{word}}}."
    yield word.strip("()")
    yield f"**{word}**"
    yield rf"\mbox{{{word}}}"


def neighbours(answer: str) -> Iterator[str]:
    """What says something else than a reference; each of them once."""
    plain = _without_layout(answer)
    yield from dict.fromkeys(one for one in _neighbours(answer) if _without_layout(one) != plain)


def _without_layout(text: str) -> str:
    return re.sub(r"\\left|\\right|\s", "", text)


def _neighbours(answer: str) -> Iterator[str]:
    if _LETTERS.fullmatch(answer):
        word = answer.removeprefix("\\text{").removesuffix("}")
        if word.startswith("("):
            for letter in "ABCDEF":
                if letter != word[1]:
                    yield f"({letter})"
        else:
            others = ("odd", "west", "hyperbola", "Ella", "Angela", "neither", "parabola")
            yield from (rf"\text{{{other}}}" for other in others)
            yield rf"\text{{not {word}}}"
            yield rf"\text{{{word} or odd}}"
        return
    plain = re.sub(r"\\begin\{.*?\}|\\end\{.*?\}", lambda mark: "\x00" * len(mark[0]), answer)
    for digit in re.finditer(r"\d", plain):
        at = digit.start()
        for step in (1, 9):
            changed = str((int(digit[0]) + step) % 10)
            yield answer[:at] + changed + answer[at + 1 :]
        if "\\!" not in answer and digit[0] != "0":
            yield (
                answer[:at] + digit[0] + "7" + answer[at + 1 :]
                if "_" not in answer[:at]
                else answer
            )
    if "\\pm" not in answer:
        for sign in re.finditer(r"[-+]", answer):
            at, turned = sign.start(), "+" if sign[0] == "-" else "-"
            # A list with both signs of a value is the same with both turned, never with one.
            yield answer[:at] + turned + answer[at + 1 :]
    if is_scalar(answer):
        if answer != "0":
            yield f"-({answer})"
            yield rf"2 \cdot ({answer})"
            yield rf"\frac{{{answer}}}{{2}}"
            yield rf"10({answer})"
            yield rf"{answer} \text{{ million}}" if "\\frac" not in answer else rf"({answer})^3"
        yield rf"{answer}, {answer} + 1"
        yield rf"{answer} + 1"
        yield rf"({answer}, 1)"
        yield rf"{answer} \text{{ or more}}"
        yield rf"x > {answer}"
        yield rf"{answer} \pm 1"
        if "\\sqrt" in answer:
            yield answer.replace("\\sqrt", "", 1)
            yield answer.replace("\\sqrt", "\\sqrt[3]", 1)
        if "\\pi" in answer:
            yield answer.replace("\\pi", "", 1).strip() or "1"
            yield answer.replace("\\pi", "\\pi^2", 1)
        if re.search(r"(?<![a-z\\])i$", answer):
            yield answer[:-1]
        if re.search(r"\\frac\{\w+\}\{\w+\}", answer):
            yield re.sub(r"\\frac\{(\w+)\}\{(\w+)\}", r"\\frac{\2}{\1}", answer)
        for symbol in re.findall(r"(?<![a-z\\{])[a-z](?![a-z])", answer):
            yield re.sub(rf"(?<![a-z\\{{]){symbol}(?![a-z])", "w", answer)
    found = _elements(answer)
    if found is not None:
        opening, parts, closing = found
        if opening in ("(", "["):
            yield f"{opening}{','.join(reversed(parts))}{closing}"
            yield r"\{" + ",".join(parts) + r"\}"
            yield ", ".join(parts)
            if len(parts) == 2:
                for one, other in (("(", ")"), ("(", "]"), ("[", ")"), ("[", "]")):
                    yield f"{one}{','.join(parts)}{other}"
        else:
            yield f"({','.join(parts)})"
        for at in range(len(parts)):
            kept = parts[:at] + parts[at + 1 :]
            yield opening + ",".join(kept) + closing
        yield opening + ",".join([*parts, "17"]) + closing
        yield opening + ",".join([*parts, parts[0]]) + closing
    if "\\cup" in answer:
        yield answer.partition("\\cup")[0].strip()
        yield answer.partition("\\cup")[2].strip()
        yield answer.replace("\\cup", "\\cap")
        yield answer.replace("(", "[")
        yield answer.replace(")", "]")
        yield answer.replace("\\cup", ",")
    if "\\in [" in answer:
        yield answer.replace("[", "(")
        yield answer.replace("]", ")")
        yield answer.replace("\\in", "\\notin")
    if _MATRIX in answer:
        rows = answer.removeprefix(_MATRIX).removesuffix("\\end{pmatrix}").split("\\\\")
        for at in range(len(rows)):
            kept = rows[:at] + rows[at + 1 :]
            yield _MATRIX + "\\\\".join(kept) + "\\end{pmatrix}"
        if len({row.strip() for row in rows}) > 1:
            yield _MATRIX + "\\\\".join(reversed(rows)) + "\\end{pmatrix}"
        if "&" not in answer:
            yield _MATRIX + "&".join(rows) + "\\end{pmatrix}"
        yield rf"2 {answer}"
        yield f"-{answer}"
        yield answer.replace("pmatrix", "vmatrix")
    if "\\pm" in answer:
        yield answer.replace("\\pm", "+")
        yield answer.replace("\\pm", "-")
    if "=" in answer:
        yield answer.replace("=", "<")
        yield answer.replace("=", "\\ne")
        yield answer.replace("x", "w")
    if _UNIT.search(answer) or answer.startswith("\\$"):
        number = _UNIT.sub("", answer).removeprefix("\\$").strip()
        yield rf"{number}\text{{ hours}}"
        yield rf"{number}\text{{ kg}}"
        yield rf"{number}\text{{ million}}"
        yield rf"2 \cdot {number}"
    if based := _BASED.fullmatch(answer):
        digits, base = based.groups()
        yield f"{digits}_{{{int(base) + 1}}}"
        yield digits
        yield f"{int(digits, int(base))}"
