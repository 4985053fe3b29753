"""The words for a certificate: what reading excludes, what it leaves open, and what it assumes."""

from __future__ import annotations

from math import inf

from lrmtest.analysis.certificate import Certificate, ClaimBound
from lrmtest.analysis.gate import amount, named
from lrmtest.analysis.written import p_words
from lrmtest.counted import counted


def bound_said(bound: ClaimBound, level: float) -> str:
    """What is known of one claim, in a sentence.

    Args:
        bound: the claim's.
        level: the certificate's.
    """
    claim = bound.claim
    if bound.obstacle is not None:
        return f"{named(claim)}: {bound.obstacle.words()}"
    worse = "fall" if claim.primary else "rise"
    more = f"by more than {amount(claim, max(0.0, bound.highest))}"
    if bound.highest >= (1.0 if claim.what != "tokens" else 100.0):
        more = "by any amount"
    limit = amount(claim, claim.limit)
    if bound.result == "ok":
        return (
            f"{named(claim)}: by what was read it does not {worse} {more} "
            f"({100 * (1 - level):.3g} % bound); a change for the worse by {limit} is excluded "
            f"({p_words(bound.p)}){_at_budget(bound)}"
        )
    return (
        f"{named(claim)}: by what was read it may {worse} {more.replace('more than', 'up to')}, so "
        f"a change for the worse by {limit} is not excluded ({p_words(bound.p)})"
    )


def _at_budget(bound: ClaimBound) -> str:
    """How far tokens count, and what would be without that; nothing of other claims."""
    if bound.claim.what != "tokens":
        return ""
    text = f"; counted up to {counted(bound.longest, 'token')}, the longest of the baseline"
    if bound.at_budget is None or bound.at_budget <= bound.claim.limit:
        return text
    rise = "any amount"
    if bound.at_budget < inf:
        rise = amount(bound.claim, bound.at_budget)
    return f"{text}; if all that it writes besides ran to the budget, they could rise by {rise}"


def bounds_said(certificate: Certificate) -> list[str]:
    """A sentence for each claim; none where nothing was read, for a reason that is said."""
    if _unread(certificate):
        return []
    return [bound_said(bound, certificate.level) for bound in certificate.bounds]


def reading_said(certificate: Certificate) -> str:
    """What was read, in a line."""
    text = (
        f"{'not read' if _unread(certificate) else 'read'}: {counted(certificate.traces, 'trace')} "
        f"of {counted(certificate.questions, 'question')}"
    )
    if certificate.unknown and not _unread(certificate):
        text += f", {certificate.unknown:,} of them with nothing known"
    if certificate.variation is not None:
        text += f"; total variation per trace (S) {certificate.variation:.3g}"
    return text


def result_said(certificate: Certificate) -> str:
    """What has come of it, in a line; it never says that a model is worse."""
    if certificate.certified:
        claim = certificate.bounds[0].claim
        return f"certified: a drop of {amount(claim, claim.limit)} is excluded by reading"
    why = list(certificate.gaps)
    if _unread(certificate):
        return f"reading cannot settle it: {'; '.join(why)}"
    open_ = [bound for bound in certificate.bounds if bound.result == "undecided"]
    why += [f"{named(bound.claim)} is not settled" for bound in open_]
    blocked = [
        bound
        for bound in certificate.bounds
        if bound.result == "cannot-tell" and not bound.claim.may_stay_untold(certificate.settings)
    ]
    why += [f"{named(bound.claim)} {bound.obstacle.words()}" for bound in blocked if bound.obstacle]
    if not certificate.enough and not certificate.gaps:
        why.append("with so few traces an equal model would not be certified either")
    return f"reading cannot settle it: {'; '.join(why)}"


def _unread(certificate: Certificate) -> bool:
    """Whether no trace was looked at, since no reading could have certified anything."""
    return bool(certificate.gaps) and certificate.unknown == certificate.traces


def assumptions(certificate: Certificate) -> list[str]:
    """What a certificate takes for granted, in short sentences."""
    lines = [
        "Assumed is that the candidate was neither made nor chosen with these traces (calibrated, "
        "tuned or picked on them);",
        *(() if certificate.same_prompts else ("that it is asked with the traces' prompts;",)),
        "that the tokens were drawn with the probabilities that are told, and the candidate "
        "generates with those that it reads with, but for the floor that the parent has with "
        "itself;",
    ]
    if certificate.greedy:
        lines.append(
            "that at temperature 0 no token is a tie that the engine breaks either way, and that "
            "the questions are a draw from questions like these."
        )
    else:
        lines.append(
            "that a question's samples are independent of each other, and that none is lost for "
            "how it went."
        )
    if certificate.same_prompts:
        lines.append(
            f"Its prompts were made and are the traces', token by token "
            f"({counted(certificate.same_prompts, 'question')})."
        )
    return lines


def stage_said(certificate: Certificate) -> str:
    """What this stage spends of the gate's error rates."""
    settings = certificate.settings
    return (
        f"A model that much worse is certified in at most {100 * certificate.level:.3g} % of "
        f"cases, of the {100 * (1 - settings.power):.3g} % in which any stage may say ok of it. "
        f"Reading calls none regressed, so the {100 * settings.alpha:g} % for that are untouched."
    )
