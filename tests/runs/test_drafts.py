"""Drafts of samples: which traces, for which of them, followed in which way."""

from array import array
from dataclasses import replace

import pytest

from lrmtest.errors import UsageError
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.models.draft import DraftTurn
from lrmtest.models.engines.base import Request, Sampling
from lrmtest.models.reading import Shaping, Written
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.runs.drafts import Drafts, load_drafts, refuse_other_draws
from lrmtest.runs.manifest import EngineSection, Manifest, ModelSection, SuiteSection
from lrmtest.runs.store import STORE_NAME, Store

TOKENS = {("q0", 0): [5, 6], ("q0", 1): [5, 7], ("q1", 0): [9]}


def manifest(engine="transformers", *, seed=0, temperature=1.0, seeded=None):
    return Manifest(
        model=ModelSection(engine=engine),
        temperature=temperature,
        top_p=1.0,
        seed=seed,
        suites={"s": SuiteSection(max_tokens=9, samples=2)},
        engine=EngineSection(engine=engine if seeded else None, seeded=seeded),
    )


def filled(folder, written):
    with Store(folder / STORE_NAME) as store:
        store.add_run("r", "parent", "identity", written)
        for (question, sample), tokens in TOKENS.items():
            place = Place(f"{question}-{sample}", "s", question, sample)
            trace = Trace(array("I", [1]), array("I", tokens), array("f"), True)
            store.add_completion("r", place, Completion("t", "stop"), trace=trace)
            store.set_verdicts("r", [(place.key, Verdict(True, 1.0, "t", None, True))])
    return folder / STORE_NAME


def asked(*places):
    return [
        Request(Place(f"other-{question}-{sample}", "s", question, sample), (), SAMPLING, 3)
        for question, sample in places
    ]


SAMPLING = Sampling(9, 1.0, 1.0)


def test_a_sample_has_the_trace_of_its_question_and_number(tmp_path):
    store = filled(tmp_path, manifest())
    requests = asked(("q0", 1), ("q1", 0), ("q1", 1), ("q2", 0))
    drafts = load_drafts("r", store, requests, manifest(), ("noise",))
    given = drafts.given(requests)
    tokens = [None if one.draft is None else list(one.draft.trace.tokens) for one in given]
    assert tokens == [[5, 7], [9], None, None]
    assert [one.key for one in given] == [one.key for one in requests]
    section = drafts.section
    assert (section.run, section.model, section.way) == ("r", "parent", "noise")
    assert drafts.written.keys() == {(("s", "q0"), 1), (("s", "q1"), 0)}


def test_traces_of_other_samples_are_refused(tmp_path):
    store = filled(tmp_path, manifest())
    with pytest.raises(UsageError, match="has no trace of any sample that is asked for"):
        load_drafts("r", store, asked(("q7", 0)), manifest(), ("noise",))


@pytest.mark.parametrize(
    ("theirs", "own", "way"),
    [
        (manifest(), manifest(), "noise"),
        (manifest(seeded=True), manifest(temperature=0.6), "noise"),
        # To be greedy takes no noise, on either side.
        (manifest("vllm", seed=1), manifest(temperature=0.0), "noise"),
        (manifest("llamacpp", temperature=0.0), manifest(seed=5), "noise"),
        (manifest(seed=1), manifest(), None),
        (manifest("vllm"), manifest(), None),
        (manifest("openai"), manifest(), None),
        (manifest(seed=None), manifest(seed=None), None),
        (manifest(None), manifest(), None),
        (manifest("an engine of tomorrow"), manifest(), None),
    ],
)
def test_the_way_follows_from_what_the_manifests_tell(tmp_path, theirs, own, way):
    store, requests = filled(tmp_path, theirs), asked(("q0", 0))
    assert load_drafts("r", store, requests, own, ("noise", "rejection")).way == (
        way or "rejection"
    )
    assert load_drafts("r", store, requests, own, ("rejection",)).way == "rejection"
    if way is None:
        with pytest.raises(UsageError, match="samples would turn from them almost at once"):
            load_drafts("r", store, requests, own, ("noise",))


def drawn(shaping, logprobs=(-0.5, -0.5), *, engine="vllm", request=None, seed=0):
    """Drafts of one trace."""
    trace = Trace(array("I", [1]), array("I", [5, 6]), array("f", logprobs), True)
    place = Place("k", "s", "q0", 0)
    model = ModelSection(engine=engine, request=request)
    return Drafts(
        *("r", "parent", "", "rejection"),
        {(place.question, 0): Written(place, trace, shaping)},
        replace(manifest(engine, seed=seed), model=model),
    )


PLAIN, CUT = Shaping(1.0), Shaping(0.6, 0.95, top_k=20)
AS_PLAIN = (1.0, 1.0)


@pytest.mark.parametrize(
    ("drafts", "sampling", "request_fields", "said"),
    [
        (drawn(PLAIN), AS_PLAIN, None, None),
        (drawn(CUT, request={"top_k": 20}), (0.6, 0.95), {"top_k": 20}, None),
        # To be greedy takes no probabilities, whoever was.
        (drawn(Shaping(0.0), (), engine="llamacpp"), (0.0, 1.0), None, None),
        (drawn(PLAIN), (0.0, 1.0), None, "this session's samples are with temperature 0;"),
        (drawn(CUT), AS_PLAIN, None, "drawn with temperature 0.6, top-p 0.95, top_k 20, and this"),
        (drawn(PLAIN, ()), AS_PLAIN, None, "do not tell how probable their tokens were"),
        (drawn(PLAIN, engine="transformers"), AS_PLAIN, None, "were drawn on transformers, whose"),
        (drawn(PLAIN, engine="tomorrow"), AS_PLAIN, None, "were drawn on tomorrow, whose"),
        (
            drawn(PLAIN, request={"stop": "x"}),
            AS_PLAIN,
            None,
            "the traces has the request field stop",
        ),
        # A gate takes samples of other seeds for independent.
        (drawn(PLAIN, seed=3), AS_PLAIN, None, "with seed 3, and this session has 0"),
        (drawn(PLAIN), AS_PLAIN, {"stop": "x"}, "this session has the request field stop"),
    ],
)
def test_a_sample_turns_only_from_what_was_drawn_as_it_is_itself(
    drafts, sampling, request_fields, said
):
    temperature, top_p = sampling
    model = ModelSection(engine="vllm", request=request_fields)
    candidate = replace(manifest("vllm"), model=model, temperature=temperature, top_p=top_p)
    if said is None:
        refuse_other_draws(drafts, candidate, "the traces")
        return
    with pytest.raises(UsageError) as refused:
        refuse_other_draws(drafts, candidate, "the traces")
    assert said in str(refused.value)


def test_by_rejection_only_samples_whose_turning_place_was_found_have_a_draft():
    drafts = drawn(PLAIN)
    requests = asked(("q0", 0), ("q1", 0))
    assert [one.draft for one in drafts.given(requests)] == [None, None]
    turn = DraftTurn(array("I", [5]), 1)
    found = replace(drafts, turnings={requests[0].key: turn}).given(requests)
    assert [one.draft and one.draft.turning for one in found] == [turn, None]
