r"""The form of a table of cues: what each entry holds.

Every entry is a regular expression, in lower case, of what is read between two word boundaries
(Chinese, Japanese and Korean have none). Texts have been through `clean`: spaces, dashes and
punctuation have their ASCII forms. Any quantifier over free text is bounded, so that reading
stays linear.

An entry left empty means that the language has nothing of the kind.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cues:
    """The cues of one language.

    Attributes:
        language: its code in ISO 639-1.
        marks: words by which a text is known to be in the language, parted by spaces: none that
            English has as well, or half of all English texts would be read in it, too.
        script: a character class by which it is known, where it has a script of its own.
        spaced: whether it puts spaces between words.
        answer: nouns for the answer, with the adjectives that make it the final one.
        about: what may stand between the noun and its verb ("to the problem").
        is_: verbs that join the noun to the answer; those of "not X but Y" end behind "but".
        inverted: verbs that may stand before the noun instead, with the answer behind it.
        is_the_answer: what stands behind an answer ("is the answer").
        therefore: openings of a conclusion.
        sought: what names the quantity that was asked for.
        counted: in a text's last sentence, what makes its number the count that was asked for
            ("there are exactly", "in total").
        opening: clauses of a declaration that a comma ends ("adding both,").
        follows: what opens one without a comma ("it follows that").
        gets: what finds a value ("we get").
        adjective: what may stand before a quantity ("smallest").
        bound: directly before a value, what makes it a bound or an estimate ("at least").
        quantity: what names a quantity, of which a text's last sentence may give the value.
        step: in such a sentence, what makes the number a case, a step, given or hypothetical.
        verb: verbs between a quantity and its value.
        maybe: in the sentence before a cue, what makes it a guess or an alternative.
        if_: in the sentence before a cue, what makes it a condition, or a report of what was said.
        anothers: directly before a cue, what makes it another's answer, an earlier or a wrong one.
        says: verbs with which another claims something.
        not_: before a value or predicate, what denies it.
        not_after: behind a value or predicate, what denies it.
        doubted: behind a value, what leaves it open or tells a thought of earlier.
        or_: conjunctions between alternatives.
        and_: conjunctions between several.
        either: openings of a list of alternatives.
        refuted: behind a value, what takes it back ("which is wrong").
        retraction: what takes back all that was said before.
        restated: openings of a correction that only count when a value follows.
        refusal: what says that there is no answer to give.
        statement: nouns for the statement that is judged true or false.
        true, false, uncertain: words of the three labels, as predicates too.
        necessarily: between a denial and a label, what makes it uncertain.
        because: where reasons begin.
        option: nouns for a lettered option.
        chosen: verbs and adverbs of a conclusion in favour of an option.
        asks: a sentence's last words, when they make it a question.
    """

    language: str
    marks: str = ""
    script: str = ""
    spaced: bool = True
    answer: str
    about: str = ""
    is_: str
    inverted: str = ""
    is_the_answer: str
    therefore: str
    sought: str
    counted: str = ""
    bound: str
    opening: str = ""
    follows: str = ""
    gets: str = ""
    adjective: str = ""
    quantity: str
    step: str
    verb: str
    maybe: str
    if_: str
    anothers: str
    says: str
    not_: str
    not_after: str = ""
    doubted: str = ""
    or_: str
    and_: str
    either: str = ""
    refuted: str
    retraction: str
    restated: str
    refusal: str
    statement: str
    true: str
    false: str
    uncertain: str
    necessarily: str
    because: str
    option: str
    chosen: str
    asks: str = ""


CLAUSE = r"[^\n.:?!]"
"""A character of a clause."""
