"""Recordings in sessions: graded by the suite they belong to, with the samples that they have."""

import json
from pathlib import Path

import pytest
from sums import suite

from lrmtest.runs.store import Store

PRODUCTS = suite("products").replace("{n} + {n}", "{n} * {n}").replace("str(2 * n)", "str(n * n)")
PRODUCTS = PRODUCTS.replace("def test_sums", "def test_products")


@pytest.fixture
def record(pytester, monkeypatch):
    """Two suites of one's own that number their questions alike, and recordings of sums."""
    monkeypatch.chdir(pytester.path)
    monkeypatch.delenv("LRMTEST_DATA_DIR", raising=False)
    (pytester.path / "test_sums.py").write_text(suite())
    (pytester.path / "test_products.py").write_text(PRODUCTS)

    def write(*rows, name="outputs.jsonl"):
        (pytester.path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return name

    return write


def rows(count=12, **fields):
    """Right answers to the sums."""
    return [
        {"question": f"q{n}", "output": f"\\boxed{{{2 * n}}}", "finish_reason": "stop", **fields}
        for n in range(count)
    ]


@pytest.fixture
def run(pytester):
    def start(name, *options, subprocess=False):
        begin = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
        return begin("-p", "no:cacheprovider", "--model", f"recorded:{name}", *options)

    return start


WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])


@WORKERS
def test_ids_that_fit_two_suites_are_asked_about(record, run, workers):
    result = run(record(*rows()), *workers, subprocess=bool(workers))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: outputs: outputs.jsonl: nothing says which suite 12 of 12 outputs belong to*"
            "products (12), sums (12)*",
            "*--model recorded:outputs.jsonl#products*",
        ]
    )
    assert not Path("reports").exists() or not Store(Path("reports/lrmtest.sqlite")).runs()


@pytest.mark.parametrize(
    ("way", "workers"),
    [
        *((way, ()) for way in ("command", "rows", "heading", "file", "prompt")),
        *((way, ("-n", "2")) for way in ("command", "prompt")),
    ],
)
def test_what_says_the_suite(record, run, workers, way):
    made = rows()
    if way == "rows":
        made = rows(suite="sums")
    if way == "heading":
        made = [{"suite": "sums"}, *made]
    if way == "prompt":
        # Whoever asked numbered them the other way round.
        made = [
            {**row, "question": f"q{11 - n}", "prompt": f"Hello. What is {n} + {n}? Think."}
            for n, row in enumerate(made)
        ]
    name = record(*made, name="r1.sums.jsonl" if way == "file" else "outputs.jsonl")
    result = run(name + "#sums" * (way == "command"), *workers, subprocess=bool(workers))
    result.assert_outcomes(passed=12, **({} if workers else {"deselected": 12}))
    lines = ["*12 questions without a recorded output, not selected: products 12"]
    if way == "file":
        lines = ["*12 outputs in r1.sums.jsonl taken as of suite sums, by the file's name", *lines]
    if way == "prompt":
        lines = ["*12 outputs answer another question than their id says*", *lines]
    result.stdout.fnmatch_lines(lines)
    with Store(Path("reports/lrmtest.sqlite"), create=False) as store:
        (head,) = store.runs()
        assert store.record(head).suites == ("sums",)
        assert not store.errors(head.run_id)


def test_one_suite_alone_is_meant(record, run):
    name = record(*rows())
    run(name, "test_sums.py").assert_outcomes(passed=12)
    run(name, "-k", "sums").assert_outcomes(passed=12, deselected=12)


def test_a_suite_that_is_not_asked_is_told_of(record, run):
    result = run(record(*rows(suite="products")), "test_sums.py")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["*12 outputs of suites that are not asked here: products (12)"])
    result = run("outputs.jsonl#typo")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*there is no suite 'typo'*", "*products, sums*"])


def test_a_placing_by_prompts_reuses_nothing_that_ids_had_placed(record, run):
    """The same file, read before its prompts were looked at, or with one suite alone."""
    turned = [{**row, "question": f"q{11 - n}"} for n, row in enumerate(rows())]
    run(record(*turned), "test_sums.py").assert_outcomes(failed=12)
    asked = [{**row, "prompt": f"{n} + {n}"} for n, row in enumerate(turned)]
    run(record(*asked), "test_sums.py").assert_outcomes(passed=12)


def test_several_files_of_one_model_go_into_a_folder(record, run, pytester):
    record(*rows(), name="a.jsonl")
    result = pytester.runpytest_inprocess(
        "--model", "m=recorded:a.jsonl", "--model", "m=recorded:a.jsonl#sums"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*m=recorded:FOLDER*"])
    folder = pytester.mkdir("both")
    (folder / "x.jsonl").write_text('{"suite": "sums"}\n' + Path("a.jsonl").read_text())
    (folder / "y.jsonl").write_text(
        "".join(json.dumps({"question": f"q{n}", "output": f"\\boxed{{{n * n}}}",
                            "suite": "products"}) + "\n" for n in range(12))
    )  # fmt: skip
    run("both", "--finish-reason", "stop").assert_outcomes(passed=24)


def test_a_log_of_another_tool_is_told_where_it_belongs(record, run):
    result = run(record({"doc_id": 1, "resps": [["so"]]}))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*field 'question' is missing*", "*lrmtest import*"])


def test_a_hash_in_a_files_name_is_part_of_it(record, run):
    run(record(*rows(), name="a#b.jsonl"), "test_sums.py").assert_outcomes(passed=12)


# Samples


@WORKERS
def test_too_few_samples_are_refused_before_anything_runs(record, run, workers):
    uneven = [*rows(suite="sums"), *rows(4, suite="sums")]
    name = record(*uneven)
    result = run(name, "test_sums.py", "--samples", "4", *workers, subprocess=bool(workers))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: --samples 4: 12 of 12 questions selected have fewer outputs in "
            "outputs.jsonl: 8 have 1, 4 have 2",
            "*--samples 1 is what all of them have; --samples recorded takes as many*",
        ]
    )
    with Store(Path("reports/lrmtest.sqlite")) as store:
        assert store.runs() == []


def test_questions_that_have_enough_can_be_selected(record, run):
    run(
        record(*rows(), *rows(4)), "test_sums.py", "--samples", "2", "--limit", "4"
    ).assert_outcomes(passed=4, deselected=8)


@WORKERS
def test_as_many_samples_as_there_are(record, run, workers):
    name = record(*rows(suite="sums"), *rows(4, suite="sums"))
    options = ("test_sums.py", "--samples", "recorded", "--summary-json", "s.json")
    result = run(name, *options, *workers, subprocess=bool(workers))
    result.assert_outcomes(passed=12)
    (told,) = json.loads(Path("s.json").read_text())["runs"]
    assert (told["total"]["questions"], told["total"]["samples"]) == (12, 16)
    with Store(Path("reports/lrmtest.sqlite")) as store:
        record_ = store.record(store.run("last"))
        assert (len(record_.samples), record_.lacking) == (16, ())


def test_what_is_not_recorded_has_no_samples_recorded(record, run, pytester):
    record(*rows())
    result = pytester.runpytest_inprocess(
        "--model", "m=http://127.0.0.1:9", "--samples", "recorded"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--samples recorded: m is not a recording*"])


# The paper's own recordings


@pytest.mark.parametrize("way", ["", "#folio", "r1.folio.jsonl"])
def test_folios_recording_among_all_suites(data_dir, run, pytester, monkeypatch, way):
    monkeypatch.setenv("LRMTEST_DATA_DIR", str(data_dir))
    source = next((data_dir / "recorded").glob("*.folio.jsonl"))
    name = way if way.endswith("jsonl") else "outputs.jsonl"
    (pytester.path / name).write_bytes(source.read_bytes())
    suites = Path(__file__).parents[2] / "suites"
    result = run(name + way * way.startswith("#"), str(suites), "--summary-json", "s.json")
    if not way:
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*folio (102), gsm8k (102), temporal (102)*"])
        return
    (told,) = json.loads((pytester.path / "s.json").read_text())["runs"]
    assert told["total"]["questions"] == 102
    assert told["total"]["pass_rate"]["value"] == pytest.approx(71 / 102)
    assert [part["suite"] for part in told["suites"]] == ["folio"]


def test_outputs_are_read_in_turns_with_the_tests(pytester):
    """The reading rests while the tests have something to do, and no output is read twice."""
    pytester.makeconftest(
        """
        import pytest
        from lrmtest.models.engines.recorded.recording import Recording
        from lrmtest.plugin.generation import generation

        generation._LONGEST_REST = 1000.0  # however slow this machine is
        ahead, read = [0], Recording.read

        def counted(*args):
            ahead[0] += 1
            return read(*args)

        Recording.read = counted

        @pytest.fixture(autouse=True)
        def taken():
            yield
            ahead.append(ahead[0])

        def pytest_unconfigure():
            print("ahead", max(there - done for done, there in enumerate(ahead[1:])), ahead[0])
        """
    )
    pytester.makepyfile(
        """
        import lrmtest

        def load(options):
            return lrmtest.QuestionSet(
                tuple(lrmtest.Question(str(n), "sums", {"n": n}, (str(n),), "integer")
                      for n in range(900)),
                lrmtest.Source("inline", "sums"),
            )

        SUMS = lrmtest.Suite("sums", load, "{n}?", max_tokens=16)

        @lrmtest.suite(SUMS)
        def test_sums(question, model):
            assert model.solve(question).passed
            if question.id == "450":  # what is not planned is behind all that is, and comes
                assert model.solve(question, prompt="again {n}?").passed
        """
    )
    pytester.path.joinpath("outputs.jsonl").write_text(
        "".join(f'{{"question": "{n}", "output": "\\\\boxed{{{n}}}"}}\n' for n in range(900))
    )
    result = pytester.runpytest_subprocess("--model=recorded:outputs.jsonl", "-q", "-s")
    result.assert_outcomes(passed=900)
    (told,) = [line for line in result.outlines if line.startswith("ahead")]
    most, reads = map(int, told.split()[1:])
    assert reads == 901
    assert most <= 512


MANY = """
import lrmtest
from lrmtest.runs.store import Store

def load(options):
    questions = (
        lrmtest.Question(str(n), "sums", {"n": n}, (str(n),), "integer") for n in range(600)
    )
    return lrmtest.QuestionSet(tuple(questions), lrmtest.Source("inline", "sums"))

SUMS = lrmtest.Suite("sums", load, "{n}?", max_tokens=16)

@lrmtest.suite(SUMS)
def test_sums(question, model, request):
    assert model.solve(question).passed
    if question.id in ("0", "599"):
        with Store(request.config.rootpath / "reports" / "lrmtest.sqlite", create=False) as store:
            (run,) = store.runs()
            print("asked", len(list(store.questions(run.run_id))), "at", question.id)
"""


def many(pytester, wrong=None):
    """A recording of 600 questions, and what the run's head and questions are in the end."""
    (pytester.path / "test_sums.py").write_text(MANY)
    (pytester.path / "outputs.jsonl").write_text(
        "".join(f'{{"question": "{n}", "output": "{n + (n == wrong)}"}}\n' for n in range(600))
    )

    def stored():
        with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
            (head,) = store.runs()
            return head, len(list(store.questions(head.run_id)))

    return stored


def test_the_first_tests_run_before_all_is_planned(pytester, run):
    stored = many(pytester)
    result = run("outputs.jsonl", "-s", "-q")
    result.assert_outcomes(passed=600)
    told = [line.split("asked ")[1] for line in result.outlines if "asked " in line]
    assert told == ["256 at 0", "600 at 599"]
    head, asked = stored()
    assert asked == 600
    assert head.finished
    assert head.manifest.suites["sums"].questions == 600
    run("outputs.jsonl", "-q").assert_outcomes(passed=600)


def test_what_was_planned_later_is_of_a_run_that_ended_early(pytester, run):
    stored = many(pytester, wrong=20)
    result = run("outputs.jsonl", "-x", "-q")
    assert result.parseoutcomes()["failed"] == 1
    head, asked = stored()
    assert asked == 600
    assert not head.finished
    assert run("outputs.jsonl", "-q").ret == pytest.ExitCode.TESTS_FAILED
    assert stored()[0].finished


def test_two_tests_that_ask_otherwise_are_refused_before_any_runs(pytester, run):
    many(pytester)
    (pytester.path / "test_more.py").write_text(
        MANY.replace('"{n}?"', '"What is {n}?"').replace("range(600)", "range(599, 600)")
    )
    result = run("outputs.jsonl", "-q")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "with different prompts" in result.stderr.str()
    assert "passed" not in result.stdout.str()
