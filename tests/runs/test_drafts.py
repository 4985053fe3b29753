"""Drafts of samples: which traces, for which of them, followed in which way."""

from array import array

import pytest

from lrmtest.errors import UsageError
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.models.engines.base import Request, Sampling
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.runs.drafts import load_drafts
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
