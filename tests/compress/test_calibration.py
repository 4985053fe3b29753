"""What a model is calibrated on: fresh questions, a text file, its own traces."""

from __future__ import annotations

import pytest
from fault_server import FaultServer
from report_store import add_run, manifest, question, said
from sums import add, suite

pytest.importorskip("torch")

from lrmtest.compress.calibration import FRESH_SEED, Calibration, parse_calibration
from lrmtest.errors import DataError, StoreError, UsageError
from lrmtest.grading.completion import Completion
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.base import Message
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer
from lrmtest.models.spec import ModelSpec
from lrmtest.questions import render_prompt
from lrmtest.questions.fresh import FAMILIES, fresh_question
from lrmtest.questions.place import Place
from lrmtest.runs.formats.jsonl import export_run
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.store import STORE_NAME, Store
from lrmtest.suites import suite_named

TAGS = ("<think>", "</think>")


@pytest.fixture(scope="session")
def chat(tiny):
    return ChatTokenizer.load(str(tiny), TAGS)


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """The tokenizer of a base model: no chat template, and a `<s>` before every text."""
    import tiny_checkpoint
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    folder = tmp_path_factory.mktemp("base")
    tiny_checkpoint.save_tokenizer(folder, template=None)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return ChatTokenizer.load(str(folder), TAGS)


@pytest.fixture
def store(tmp_path):
    return tmp_path / "reports" / STORE_NAME


def material(calibration, chat, store=None, *, samples=8, tokens=400, model="tiny", system=None):
    spec = ModelSpec(model, ModelCard(model, system_prompt=system), "transformers")
    return parse_calibration(calibration).material(
        chat, spec, samples=samples, tokens=tokens, store=store
    )


def tokens_of(chat, text):
    return chat.tokenizer(text, add_special_tokens=False).input_ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fresh", Calibration("fresh")),
        ("traces:last", Calibration("traces", "last")),
        ("traces:last:my-model", Calibration("traces", "last:my-model")),
        (__file__, Calibration("text", __file__)),
    ],
)
def test_what_there_is(text, expected):
    assert parse_calibration(text) == expected


@pytest.mark.parametrize("text", ["frech", "traces:", "", "absent.txt", "/", "x" * 5000, "a\0b"])
def test_what_there_is_not(text):
    with pytest.raises(UsageError, match="--calibration"):
        parse_calibration(text)


def test_fresh_questions_are_asked_as_a_suite_asks_them(chat):
    made = material("fresh", chat, samples=9, tokens=10**6)
    assert len(made.texts) == 9
    for index, family in enumerate([*FAMILIES, *FAMILIES]):
        asked = fresh_question(family, FRESH_SEED, index, 1 + index // 4)
        prompt = render_prompt(suite_named(f"fresh-{family}").prompt, asked)
        assert made.texts[index] == f"<s>[user]{prompt}[assistant]<think>\n"
        assert tokens_of(chat, made.texts[index]) == chat.encode((Message("user", prompt),))
    assert made.tokens == sum(len(tokens_of(chat, text)) for text in made.texts)
    assert made.option == "fresh"
    assert made.notes == ()


def test_fresh_questions_carry_the_cards_system_prompt(chat):
    made = material("fresh", chat, samples=1, tokens=10**6, system="Think.")
    assert made.texts[0].startswith("<s>[system]Think.[user]")


def test_equal_calibration_has_an_equal_hash(chat):
    first, again = (material("fresh", chat) for _ in range(2))
    assert first == again
    assert first.sha256[:12] in str(first)
    assert f"8 sequences, {first.tokens} tokens" in str(first)
    assert material("fresh", chat, samples=7).sha256 != first.sha256
    assert material("fresh", chat, tokens=399).sha256 != first.sha256


def test_no_sequence_is_longer_than_it_may_be(chat):
    made = material("fresh", chat, tokens=50)
    assert [len(tokens_of(chat, text)) for text in made.texts] == [50] * 8
    assert made.tokens == 400
    assert all(text.startswith("<s>[user]") for text in made.texts)


def test_a_base_model_gets_its_first_token(base):
    made = material("fresh", base, samples=1, tokens=10**6)
    assert made.texts[0].startswith("<s>")
    plain = fresh_question("temporal", FRESH_SEED, 0)
    prompt = render_prompt(suite_named("fresh-temporal").prompt, plain)
    assert tokens_of(base, made.texts[0]) == base.encode((Message("user", prompt),))


# A text file


def test_a_text_file_is_cut_into_pieces(chat, tmp_path):
    text = "".join(f"Line number {n}, ünïcode {'🙂' * (n % 3)}.\n" for n in range(40))
    path = tmp_path / "corpus.txt"
    path.write_text(text)
    made = material(str(path), chat, samples=1000, tokens=64)
    assert "".join(made.texts) == text
    assert all(len(tokens_of(chat, piece)) <= 64 + 3 for piece in made.texts)
    assert len(tokens_of(chat, made.texts[0])) == 64
    assert made.source == "corpus.txt"
    fewer = material(str(path), chat, samples=3, tokens=64)
    assert fewer.texts == made.texts[:3]


def test_pieces_begin_as_the_tokenizer_begins_a_text(base, tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("abcdefghij")
    made = material(str(path), base, tokens=5)
    assert made.texts == ("<s>abcd", "<s>efgh", "<s>ij")
    assert material(str(path), base, tokens=1, samples=2).texts == ("<s>", "<s>")


@pytest.mark.parametrize("content", [b"", b" \n\n ", b"\xff\xfe\x00bad"])
def test_a_file_without_text_is_refused(chat, tmp_path, content):
    path = tmp_path / "corpus.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"corpus\.txt"):
        material(str(path), chat)


# Traces


def add_traces(path, completions, *, model="tiny", **options):
    one = question("sums", "q1", "What is 1 + 1?")
    with Store(path) as store:
        add_run(store, f"{model}-1", [(one, completions)], model=model, **options)


def test_traces_are_what_the_model_saw_and_wrote(chat, store):
    add_traces(store, [Completion("One.\n</think>\n\n2", "stop")])
    made = material("traces:last", chat, store)
    assert made.texts == ("<s>[user]What is 1 + 1?[assistant]<think>\nOne.\n</think>\n\n2</s>",)
    assert made.source == "traces of run tiny-1 (sums)"
    assert made.option == "traces:tiny-1"
    assert made.notes == ()


def test_an_opening_tag_stands_once(chat, store):
    add_traces(store, [Completion("<think>\nOne.\n</think>2", "stop")])
    (text,) = material("traces:last", chat, store).texts
    assert text.count("<think>") == 1


def test_what_did_not_end_by_itself(chat, store):
    loop = "I see that once more, and then again. " * 200
    one = question("sums", "q2")
    add_traces(
        store,
        [
            Completion(f"<think>\nHm. {loop}", "length"),
            Completion(f"<think>\nWell. {loop}", "loop"),
            Completion("<think>\nCut in the mid", "length"),
            Completion("  ", "stop"),
            Completion("Whole", "stop"),
            Completion("Whole", "stop"),
        ],
        errors=[(one, 0, "connection lost")],
    )
    made = material("traces:last", chat, store, tokens=10**6)
    answers = sorted(text.partition("[assistant]")[2] for text in made.texts)
    round_ = "I see that once more, and then again"
    assert answers == [
        "<think>\n\nCut in the mid",
        f"<think>\n\nHm. {round_}",
        f"<think>\n\nWell. {round_}",
        "<think>\nWhole</s>",
    ]
    notes = " ".join(made.notes)
    assert "2 traces cut after the first round of the loop" in notes
    assert "1 trace used as far as its budget went" in notes
    assert "1 engine error left out" in notes
    assert "1 completion without text" in notes


def test_traces_of_another_model_are_said_to_be(chat, store):
    add_traces(store, [said("Hm.", "2")], model="other")
    (note,) = material("traces:last", chat, store).notes
    assert note == "the traces are those of other, not of tiny"
    assert material("traces:last:other", chat, store, model="other").notes == ()


def test_as_many_traces_as_are_wanted(chat, store):
    add_traces(store, [Completion(f"Number {n}", "stop") for n in range(30)])
    few, all_ = (material("traces:last", chat, store, samples=n) for n in (5, 100))
    assert few.texts == all_.texts[:5]
    assert len(set(all_.texts)) == 30
    assert list(all_.texts) != sorted(all_.texts)


def test_an_exported_run_serves_as_well(chat, store, tmp_path):
    add_traces(store, [said("Hm.", "2"), said("So.", "3")])
    file = tmp_path / "run.jsonl"
    with Store(store) as opened:
        export_run(opened, opened.run("last"), file)
    made = material(f"traces:{file}", chat, None)
    assert made.texts == material("traces:last", chat, store).texts
    assert made.option == f"traces:{file}"


def test_a_real_run_is_what_the_server_was_asked_and_said(chat, pytester):
    pytester.makepyfile(test_sums=suite())
    with FaultServer(answer=add) as server:
        pytester.runpytest_inprocess("--model", f"tiny={server.url}", "--limit", "4")
    made = material("traces:last", chat, pytester.path / "reports" / STORE_NAME)
    assert sorted(made.texts) == [
        f"<s>[user]What is {n} + {n}?[assistant]<think>\nLet me add.\n</think>\n\n"
        f"\\boxed{{{2 * n + n % 2}}}</s>"
        for n in range(4)
    ]


def test_runs_that_cannot_be_calibrated_on(chat, store, tmp_path):
    with pytest.raises(StoreError, match="no store"):
        material("traces:last", chat, store)
    add_traces(store, [Completion("", "stop")])
    with pytest.raises(UsageError, match="no completion"):
        material("traces:last", chat, store)
    with pytest.raises(UsageError, match="no run is called"):
        material("traces:nobody", chat, store)
    with pytest.raises(UsageError, match="baseline's file has no texts"):
        material("traces:baseline.json", chat, store)
    with pytest.raises(DataError, match="cannot read"):
        material("traces:absent.jsonl", chat, store)


def test_a_run_keeps_the_system_prompt_it_had(chat, store):
    one = question("sums", "q1")
    with Store(store) as opened:
        content = Manifest.from_json(manifest("tiny", ["sums"]))
        opened.add_run("tiny-1", "tiny", "tiny", content)
        prompt = [("system", "Be brief."), ("user", "1 + 1?")]
        opened.add_questions("tiny-1", [("sums", one.id, one, prompt)])
        opened.add_completion("tiny-1", Place("k", "sums", one.id, 0), Completion("2", "stop"))
    (text,) = material("traces:last", chat, store).texts
    assert text == "<s>[system]Be brief.[user]1 + 1?[assistant]<think>\n2</s>"


def test_a_run_gives_the_traces_that_were_asked_for_last(chat, pytester):
    pytester.makepyfile(test_sums=suite(), test_other=suite("other"))
    with FaultServer(answer=add) as server:
        for options in ((), ("test_sums.py", "--limit", "2")):
            pytester.runpytest_inprocess("--model", f"tiny={server.url}", *options)
    made = material("traces:last", chat, pytester.path / "reports" / STORE_NAME)
    assert len(made.texts) == 2
    assert "(sums)" in made.source
    assert made.notes == (
        "not calibrated on, since its last session did not ask it: other (12 questions); "
        "10 other questions of sums",
    )
