"""Texts for benchmarks/loops.py --near: tails that go round without repeating themselves to the
letter, and honest texts that repeat themselves for good reasons. All of them are made here, from
templates and from pieces of recorded outputs, by a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

Make = Callable[[random.Random, Sequence[str]], str]
"""Makes one text: called with chance and with paragraphs of recorded outputs."""

_CUES = {
    language: words.split()
    for language, words in {
        "en": "So Thus Therefore Hence Then Wait Hmm Okay Alright Now But And Again Actually",
        "de": "Also Daher Somit Folglich Dann Moment Hmm Gut Nun Aber Und Wieder",
        "fr": "Donc Ainsi Alors Par-conséquent Attends Hmm Bon Maintenant Mais Et Encore",
        "es": "Entonces Así Luego Espera Hmm Bueno Ahora Pero Y Otra-vez",
        "ru": "Итак Значит Следовательно Тогда Подождите Хм Хорошо Теперь Но И Снова",
        "zh": "所以 因此 于是 那么 等等 嗯 好的 现在 但是 而且 再次 其实",
        "ja": "だから したがって それで では 待って うーん よし 今 しかし そして もう一度",
        "ko": "그래서 따라서 그러므로 그러면 잠깐 음 좋아 이제 하지만 그리고 다시",
    }.items()
}
_STATEMENTS = {
    "en": [
        "the ratio {a}:{b}:{c} is {d}:{e}:{f}",
        "the sum of the digits of {a} is {b}, which is not what we want",
        "let me check whether {a} divides {b} once more",
        "the remaining time is {a} minutes, and so Walter could have gone to the {w}",
        "the person who founded the {w} was born in the city of {w}, which I am not sure about",
    ],
    "de": [
        "das Verhältnis {a}:{b} ist gleich {c}:{d}",
        "ich muss noch einmal prüfen, ob {a} durch {b} teilbar ist",
        "die Antwort hängt davon ab, ob der {w} vor dem {w} geöffnet war",
    ],
    "fr": [
        "le rapport {a}:{b} est égal à {c}:{d}",
        "il faut vérifier encore une fois si {a} est divisible par {b}",
        "la réponse dépend de l'heure à laquelle le {w} était ouvert",
    ],
    "es": [
        "la razón {a}:{b} es igual a {c}:{d}",
        "hay que comprobar otra vez si {a} es divisible por {b}",
        "la respuesta depende de la hora en que el {w} estaba abierto",
    ],
    "ru": [
        "отношение {a}:{b} равно {c}:{d}",
        "нужно ещё раз проверить, делится ли {a} на {b}",
        "ответ зависит от того, когда был открыт {w}",
    ],
    "zh": [
        "比例{a}:{b}等于{c}:{d}，这与前面的结论一致",
        "让我再检查一遍{a}能不能被{b}整除",
        "答案取决于{w}在什么时候开门，我需要重新考虑这个问题",
    ],
    "ja": [
        "比{a}:{b}は{c}:{d}に等しいことになります",
        "{a}が{b}で割り切れるかどうかをもう一度確かめます",
        "答えは{w}がいつ開いていたかによります",
    ],
    "ko": [
        "비율 {a}:{b}은 {c}:{d}와 같습니다",
        "{a}이 {b}로 나누어떨어지는지 다시 한번 확인해 보겠습니다",
        "답은 {w}이 언제 열려 있었는지에 달려 있습니다",
    ],
}
_PLACES = "museum beach library park cinema market theater office river castle school"
_WORDS = _PLACES.split()
LANGUAGES = tuple(_CUES)


def _filled(rng: random.Random, statement: str) -> str:
    numbers = {name: f"{rng.randint(2, 900)}" for name in "abcdef"}
    return statement.format(**numbers, w=rng.choice(_WORDS))


def _statements(rng: random.Random, language: str, number: int) -> list[str]:
    return [_filled(rng, rng.choice(_STATEMENTS[language])) for _ in range(number)]


def _stop(language: str) -> str:
    return "。" if language in ("zh", "ja") else ". "


def _long(rng: random.Random) -> int:
    """Length of a tail in characters: from some hundred tokens to a budget of 16,384."""
    return int(3000 * 20 ** rng.random())


def _rounds(length: int, make: Callable[[int], str]) -> str:
    parts: list[str] = []
    while length > 0:
        parts.append(make(len(parts)))
        length -= len(parts[-1])
    return "".join(parts)


def cue_words(rng: random.Random, _: Sequence[str]) -> str:
    """The same few statements behind changing cue words."""
    language = rng.choice(LANGUAGES)
    said = _statements(rng, language, rng.randint(1, 3))
    end = _stop(language) + rng.choice(["", "\n", "\n\n"])
    return _rounds(
        _long(rng), lambda n: f"{rng.choice(_CUES[language])}, {said[n % len(said)]}{end}"
    )


def counting_on(rng: random.Random, _: Sequence[str]) -> str:
    """A counter that goes on for ever, in a frame that stays."""
    language = rng.choice(LANGUAGES)
    before, after = _statements(rng, language, 2)
    first, step, end = rng.randint(1, 500), rng.randint(1, 9), _stop(language)
    return _rounds(
        max(_long(rng), 20_000),
        lambda n: f"n = {first + n * step}: {before}{end}{after}{end}\n",
    )


def one_number_changed(rng: random.Random, paragraphs: Sequence[str]) -> str:
    """The same paragraph with one number counted up."""
    paragraph = rng.choice([one for one in paragraphs if 150 <= len(one) <= 900])
    place, first = rng.randrange(len(paragraph)), rng.randint(1, 400)
    return _rounds(
        _long(rng) * 2, lambda n: f"{paragraph[:place]} {first + n} {paragraph[place:]}\n\n"
    )


def growing_list(rng: random.Random, _: Sequence[str]) -> str:
    """A list that is written out again and again, each time with one thing more."""
    step, language = rng.randint(1, 7), rng.choice(LANGUAGES)
    cue, items = rng.choice(_CUES[language]), [str(rng.randint(1, 50))]

    def line(_: int) -> str:
        items.append(str(int(items[-1]) + step))
        return f"{cue}: {', '.join(items)}\n"

    return _rounds(max(_long(rng), 6000), line)


_SYNONYMS = (
    ("check", "verify", "confirm"),
    ("so", "thus", "hence"),
    ("but", "however", "yet"),
    ("the answer", "the result", "the solution"),
    ("need to", "have to", "must"),
    ("maybe", "perhaps", "possibly"),
    ("again", "once more"),
    ("which", "and that"),
    ("is", "equals"),
    ("because", "since", "as"),
)


def paraphrased(rng: random.Random, paragraphs: Sequence[str]) -> str:
    """The same paragraphs, with words of the same meaning exchanged by chance."""
    usable = [one for one in paragraphs if 120 <= len(one) <= 900]
    said = rng.sample(usable, rng.randint(1, 3))

    def again(n: int) -> str:
        text = said[n % len(said)]
        for group in _SYNONYMS:
            pattern = r"\b(?:" + "|".join(group) + r")\b"
            text = re.sub(pattern, lambda _, group=group: rng.choice(group), text, flags=re.I)
        return f"{rng.choice(_CUES['en'])}, {text}\n\n"

    return _rounds(max(_long(rng), 8 * sum(map(len, said))), again)


def any_order(rng: random.Random, paragraphs: Sequence[str]) -> str:
    """A handful of paragraphs over and over, in no order."""
    usable = [one for one in paragraphs if 40 <= len(one) <= 400]
    said = rng.sample(usable, rng.randint(3, 10))
    return _rounds(max(_long(rng), 10 * sum(map(len, said))), lambda _: rng.choice(said) + "\n\n")


def drifting(rng: random.Random, paragraphs: Sequence[str]) -> str:
    """One paragraph whose words are exchanged for good, one in each round."""
    words = rng.choice([one for one in paragraphs if 150 <= len(one) <= 1200]).split()
    others = " ".join(rng.sample(list(paragraphs), 5)).split()

    def again(_: int) -> str:
        words[rng.randrange(len(words))] = rng.choice(others)
        return " ".join(words) + "\n\n"

    return _rounds(max(_long(rng), 8 * len(" ".join(words))), again)


def typing_errors(rng: random.Random, paragraphs: Sequence[str]) -> str:
    """A periodic tail in which one character in two hundred is wrong."""
    body = rng.choice([one for one in paragraphs if 40 <= len(one) <= 800])

    def again(_: int) -> str:
        letters = list(body + "\n")
        for place in range(len(letters)):
            if rng.random() < 0.005:
                letters[place] = rng.choice("aeinrst ,.0")
        return "".join(letters)

    return _rounds(max(_long(rng), 8 * len(body)), again)


def recurrence(rng: random.Random, _: Sequence[str]) -> str:
    """A recurrence that is worked out for ever: every number is new."""
    value, modulus = rng.randint(1, 9), rng.choice([97, 101, 997, 1009])
    name, factor = rng.choice("abuxyz"), rng.randint(2, 9)

    def line(n: int) -> str:
        nonlocal value
        before, value = value, value * factor % modulus
        return f"{name}_{{{n + 1}}} = {factor} * {name}_{{{n}}} = {factor} * {before} = {value}\n"

    return _rounds(max(_long(rng), 20_000), line)


def letters_on(rng: random.Random, _: Sequence[str]) -> str:
    """Guess after guess at a name, in a sentence that stays."""
    names = [f"{a}{b}{c}" for a in "BDKLMR" for b in "aeio" for c in ("nner", "lley", "rden", "st")]
    frame = rng.choice(
        [
            "Wait, maybe the person is {} and not who I thought, but I am not sure about that.\n",
            "Alternatively, could it be {}? I do not remember, so let me think about it again.\n",
            "也许这个人是{}，但是我不能确定，让我再想一想这个问题。\n",
        ]
    )
    return _rounds(max(_long(rng), 9000), lambda _: frame.format(rng.choice(names)))


NEAR_LOOPS: Mapping[str, Make] = {
    "changing cue words": cue_words,
    "counting on": counting_on,
    "one number changed": one_number_changed,
    "growing list": growing_list,
    "paraphrased": paraphrased,
    "few paragraphs in any order": any_order,
    "drifting words": drifting,
    "typing errors": typing_errors,
    "recurrence": recurrence,
    "guess after guess": letters_on,
}


def _table(rng: random.Random) -> str:
    rows, k = rng.randint(10, 120), rng.randint(2, 9)
    head = "| n | n mod k | n squared | prime |\n|---|---|---|---|\n"
    return head + "".join(
        f"| {n} | {n % k} | {n * n} | {'no' if n % 2 == 0 else 'check'} |\n" for n in range(1, rows)
    )


def _truth_table(rng: random.Random) -> str:
    size = rng.randint(3, 7)
    names = rng.sample("PQRSTUVW", size)
    lines = ["| " + " | ".join(names) + " | result |"]
    for number in range(2**size):
        values = ["T" if number >> bit & 1 else "F" for bit in range(size)]
        lines.append("| " + " | ".join(values) + f" | {rng.choice('TF')} |")
    return "\n".join(lines) + "\n"


def _cases(rng: random.Random) -> str:
    number, target = rng.randint(10, 90), rng.randint(20, 900)
    return "".join(
        f"Case {n}: x = {n}, then y = {target} - {n} = {target - n}, and x * y = "
        f"{n * (target - n)}. {rng.choice(['Too small.', 'Too large.', 'Not a square.'])}\n"
        for n in range(1, number)
    )


def _verification(rng: random.Random) -> str:
    number, modulus = rng.randint(10, 90), rng.randint(3, 30)
    return "".join(
        f"- n={n}: {n}^2 + 1 = {n * n + 1}, and {n * n + 1} mod {modulus} = "
        f"{(n * n + 1) % modulus}. {'Yes' if (n * n + 1) % modulus == 0 else 'No'}.\n"
        for n in range(1, number)
    )


def _code(rng: random.Random) -> str:
    names = rng.sample(_WORDS, 6)
    blocks = [
        f"def {name}_{n}(value):\n    if value == {rng.randint(1, 99)}:\n"
        f"        return {rng.choice(names)}[{n}]\n    raise ValueError('no {name}')\n\n"
        for n, name in enumerate(names * rng.randint(1, 5))
    ]
    return "```python\n" + "".join(blocks) + "```\n"


def _matrix(rng: random.Random) -> str:
    size = rng.randint(4, 30)
    rows = [" & ".join(str(rng.randint(0, 1)) for _ in range(size)) for _ in range(size)]
    return "\\begin{pmatrix}\n" + " \\\\\n".join(rows) + "\n\\end{pmatrix}\n"


def _knights(rng: random.Random) -> str:
    names = rng.sample(["Alice", "Boris", "Chen", "Dora", "Emil", "Farah", "Goran"], 3)
    kinds = [(a, b, c) for a in "tl" for b in "tl" for c in "tl"]
    word = {"t": "a truth-teller", "l": "a liar"}
    return "".join(
        f"Suppose {', '.join(f'{who} is {word[k]}' for who, k in zip(names, kind, strict=True))}. "
        f"Then what {names[0]} says is {'true' if kind[0] == 't' else 'false'}, "
        f"{rng.choice(['which cannot be', 'which fits', 'so this case is out'])}.\n"
        for kind in kinds
    )


def _outcomes(rng: random.Random) -> str:
    size, wanted = rng.randint(4, 7), rng.randint(1, 4)
    tosses = [f"{number:0{size}b}".replace("0", "T").replace("1", "H") for number in range(2**size)]
    return "".join(
        f"- {toss}: {toss.count('H')} heads, {'counts' if toss.count('H') == wanted else 'no'}\n"
        for toss in tosses
    )


def _sums(rng: random.Random) -> str:
    terms = [rng.randint(1, 99) for _ in range(rng.randint(10, 60))]
    lines = [f"{sum(terms[:n])} + {terms[n]} = {sum(terms[: n + 1])}" for n in range(len(terms))]
    return "\n".join(lines) + "\n"


def _schedule(rng: random.Random) -> str:
    names = rng.sample(["Anna", "Boris", "Chen", "Dora", "Emil", "Farah", "Goran"], 5)
    return "".join(
        f"{hour}:{half}: {rng.choice(names)} was at the {rng.choice(_WORDS)}, so that is out.\n"
        for hour in range(6, 6 + rng.randint(4, 14))
        for half in ("00", "30")
    )


def _tuples(rng: random.Random) -> str:
    most = rng.randint(4, 11)
    found = [(a, b, c) for a in range(1, most) for b in range(a, most) for c in range(b, most)]
    return ", ".join(map(str, found)) + "\n"


HONEST_LISTS: Mapping[str, Callable[[random.Random], str]] = {
    "table": _table,
    "truth table": _truth_table,
    "cases": _cases,
    "verification": _verification,
    "code": _code,
    "matrix": _matrix,
    "knights and liars": _knights,
    "outcomes": _outcomes,
    "running sums": _sums,
    "schedule": _schedule,
    "tuples": _tuples,
}


def paragraphs_of(texts: Sequence[str]) -> list[str]:
    """Paragraphs of recorded outputs, each once."""
    found = (one.strip() for text in texts for one in text.split("\n\n"))
    return list(dict.fromkeys(one for one in found if len(one) >= 40))


def long_reasoning(rng: random.Random, paragraphs: Sequence[str]) -> str:
    """Normal reasoning of up to a hundred paragraphs, each of them once."""
    return "\n\n".join(rng.sample(list(paragraphs), rng.randint(20, 100)))


def with_lists(rng: random.Random, paragraphs: Sequence[str]) -> tuple[str, str]:
    """Honest work with lists in it, ended in the middle of one; and the kind of that one."""
    name = rng.choice(list(HONEST_LISTS))
    made = HONEST_LISTS[name](rng)
    before = rng.sample(list(paragraphs), rng.randint(1, 20))
    other = HONEST_LISTS[rng.choice(list(HONEST_LISTS))](rng)
    before.insert(rng.randrange(len(before) + 1), other)
    cut = rng.randint(len(made) // 2, len(made))
    return "\n\n".join(before) + "\n\n" + made[:cut], name


def near_loops(seed: int, each: int, paragraphs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Kind and text of `each` near-loops of every kind, behind normal reasoning."""
    for name, make in NEAR_LOOPS.items():
        for number in range(each):
            rng = random.Random(f"{seed} {name} {number}")
            before = "\n\n".join(rng.sample(list(paragraphs), rng.randint(1, 30)))
            yield name, before + "\n\n" + make(rng, paragraphs)
