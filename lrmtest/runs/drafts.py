"""The traces of a run as drafts of another's samples, question by question and sample by sample."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lrmtest.errors import UsageError
from lrmtest.models.draft import DraftTurn, DraftWay, TraceDraft
from lrmtest.models.engines.base import Request, Sampling
from lrmtest.models.reading import Shaping, Written
from lrmtest.models.request_fields import TEMPLATE_VARIABLES
from lrmtest.models.shaping import shaping_of
from lrmtest.runs.differences import family_of
from lrmtest.runs.extent import EVERYTHING
from lrmtest.runs.manifest import DraftsSection, Manifest
from lrmtest.runs.open_traces import open_traces
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.same_draws import same_draws


@dataclass(frozen=True, slots=True)
class Drafts:
    """What samples may begin with.

    Attributes:
        run_id: of the traces' run.
        model: the name of the model that wrote them.
        tokenizer: its own, as `lrmtest.models.tokenizer_identity` tells it; empty if unknown.
        way: how a turning place is found.
        written: the traces, by question and sample.
        drawn_by: the manifest of their run.
        turnings: by key, what samples begin with, where that was found beforehand.
    """

    run_id: str
    model: str
    tokenizer: str
    way: DraftWay
    written: Mapping[tuple[QuestionKey, int], Written]
    drawn_by: Manifest = field(default_factory=Manifest)
    turnings: Mapping[str, DraftTurn] = field(default_factory=dict)

    @property
    def section(self) -> DraftsSection:
        """What a manifest says of them."""
        return DraftsSection(run=self.run_id, model=self.model, way=self.way)

    def given(self, requests: Iterable[Request]) -> list[Request]:
        """The requests, each with its draft if there is one."""
        return [replace(request, draft=self._draft(request)) for request in requests]

    def trace_of(self, request: Request) -> Written | None:
        """The trace of a request's sample; None without one."""
        place = request.place
        return self.written.get((place.question, place.sample))

    def _draft(self, request: Request) -> TraceDraft | None:
        found, turning = self.trace_of(request), self.turnings.get(request.key)
        if found is None or (turning is None and self.way == "rejection"):
            return None
        return TraceDraft(found.trace, found.shaping, self.way, turning)


def load_drafts(
    reference: str,
    store: Path,
    asked: Collection[Request],
    candidate: Manifest,
    ways: Collection[DraftWay],
) -> Drafts:
    """The traces that some samples may begin with.

    Args:
        reference: a run, a file of traces, or a baseline that has one beside it, as in
            `open_traces`.
        store: the SQLite file that runs are looked up in.
        asked: the samples.
        candidate: the manifest of their run.
        ways: those that their engine knows.

    Raises:
        UsageError: there are none of these samples, they were drawn in a way that nothing here can
            follow, or the engine knows no way to make use of them.
        DataError, StoreError: they cannot be read.
    """
    wanted = {(one.place.question, one.place.sample) for one in asked}
    written = {}
    with open_traces(reference, store, EVERYTHING) as traces:
        run, tokenizer, name = traces.head.run, traces.head.tokenizer, traces.name
        way = _way(candidate, run.manifest, ways, name)
        for kept, one in traces.written():
            place = kept.place
            if (place.question, place.sample) in wanted:
                written[place.question, place.sample] = one
    if not written:
        raise UsageError(
            f"{name} has no trace of any sample that is asked for",
            hint="drafts are of the same questions and samples: leave --drafts out, or name the "
            "traces of a run that was asked them",
        )
    return Drafts(run.run_id, run.model, tokenizer, way, written, run.manifest)


def _way(candidate: Manifest, theirs: Manifest, ways: Collection[DraftWay], name: str) -> DraftWay:
    """How a candidate's turning places are found.

    Where one of the two is greedy, drawing the candidate's own token agrees with the trace as often
    as can be: the chance is what the other gives to the likeliest token of the one.

    Raises:
        UsageError: in no way that its engine knows.
    """
    greedy = candidate.greedy or theirs.greedy
    if "noise" in ways and (greedy or same_draws(theirs, candidate)):
        return "noise"
    if "rejection" in ways:
        return "rejection"
    own = family_of(candidate)
    if family_of(theirs) == own and theirs.seed not in (None, candidate.seed):
        why, hint = _other_seed(theirs, candidate)
    else:
        drew = family_of(theirs) or theirs.model.engine or "an engine that is not told"
        why = f"on {drew}, and with other random numbers than {own} would draw with"
        hint = f"take traces that {own} has drawn, or generate without --drafts"
    raise UsageError(
        f"{name}: its traces were drawn {why}, so that samples would turn from them almost at once",
        hint=hint,
    )


def _other_seed(theirs: Manifest, candidate: Manifest) -> tuple[str, str]:
    """How traces were drawn by another seed, and the next step."""
    why = f"with seed {theirs.seed}, and this session has {candidate.seed}"
    return why, f"give the same one: --seed {theirs.seed}"


FOLLOWED_FIELDS = (TEMPLATE_VARIABLES, "reasoning_effort", "top_k", "min_p")
"""Request fields that only make the prompt, or cut distributions that are told cut."""


def refuse_other_draws(drafts: Drafts, candidate: Manifest, name: str) -> None:
    """Refuse traces that samples of a candidate cannot turn from by rejection.

    Args:
        drafts: the traces.
        candidate: the manifest of the samples' run.
        name: of the traces, for messages.

    Raises:
        UsageError: they were drawn otherwise, or do not tell how probable their tokens were.
    """
    theirs = drafts.drawn_by
    for who, manifest in ((name, theirs), ("this session", candidate)):
        fields = [one for one in manifest.model.request or {} if one not in FOLLOWED_FIELDS]
        if fields:
            raise UsageError(
                f"--drafts: {who} has the request field {fields[0]}, which drafts cannot follow",
                hint=f"of request fields they heed {', '.join(FOLLOWED_FIELDS)}",
            )
    sampling = Sampling(1, candidate.temperature or 0.0, candidate.top_p or 1.0)
    shaping = shaping_of(sampling, candidate.model.request)
    written = drafts.written.values()
    others = [one.shaping for one in written if one.shaping != shaping]
    if others:
        raise UsageError(
            f"{name}: its traces were drawn with {_words(others[0])}, and this session's samples "
            f"are with {_words(shaping)}; on {family_of(candidate)} a sample can only turn from a "
            "trace that was drawn as it is itself",
            hint="give the same --temperature, --top-p and cuts, or generate without --drafts",
        )
    if shaping.greedy:
        return
    if family_of(theirs) != family_of(candidate):
        drew = family_of(theirs) or theirs.model.engine or "an engine that is not told"
        raise UsageError(
            f"{name}: its traces were drawn on {drew}, whose probabilities are not told again by "
            f"{family_of(candidate)} to the last digits",
            hint=f"take traces that {family_of(candidate)} has drawn, or generate without --drafts",
        )
    if not same_draws(theirs, candidate):
        # Who compares the two takes samples of one number for independent then, which they are not.
        why, hint = "by a server that heeds no seeds", "take traces of one that does"
        if theirs.seed != candidate.seed:
            why, hint = _other_seed(theirs, candidate)
        raise UsageError(f"{name}: its traces were drawn {why}", hint=hint)
    if any(len(one.trace.logprobs) != len(one.trace.tokens) for one in written):
        raise UsageError(
            f"{name}: its traces do not tell how probable their tokens were",
            hint="generate them with --traces, on a server that tells the probabilities that it "
            "draws by",
        )


def _words(shaping: Shaping) -> str:
    """How tokens are drawn, in the words of the options."""
    cuts = {"top_k": shaping.top_k, "min_p": shaping.min_p}
    more = "".join(f", {name} {value:g}" for name, value in cuts.items() if value)
    if shaping.greedy:
        return "temperature 0"
    return f"temperature {shaping.temperature:g}, top-p {shaping.top_p:g}{more}"
