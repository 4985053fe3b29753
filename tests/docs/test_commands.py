"""Every command in the documentation is run.

Each file's commands run in order in a folder of their own, with copies of the suites, a store
with runs of every model that the file looks back at, recorded outputs, a baseline, and logs of
other tools. tiny-lrm and what is made of it are asked themselves, with few generated questions;
where a command names a model that cannot be had here, a server on this machine answers in its
place, under its name and with its card. Commands that cannot run on a machine
without a GPU and a network are listed below with the reason: nothing is passed over in silence.

A page that shows outputs is run by `test_shown_outputs` as it stands; of it only those commands are
run here that are marked as being with the reader's own models and files.
"""

import contextlib
import functools
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import made_benchmarks
import prepared
import pytest
import tiny_checkpoint
from doc_commands import ELSEWHERE, Command, blocks_in, commands_in, commands_of, program_of
from fault_server import FaultServer
from outside import OUTSIDE, install
from shown_outputs import is_placed, story_of

from lrmtest.cli import main
from lrmtest.options.exit_codes import CANNOT_TELL, REGRESSED, UNDECIDED
from lrmtest.runs.store import STORE_NAME, Store

ROOT = Path(__file__).parents[2]
SUPPORT = str(Path(made_benchmarks.__file__).parent)
PYTHONPATH = os.pathsep.join(filter(None, [SUPPORT, os.environ.get("PYTHONPATH")]))
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

CANNOT = {
    r"\./check": "it runs these tests",
    r"pytest suites/aime --model \.\.\.": "asks the hub, which is another machine's",
    r"pytest .* --tokenizer ggml-vocab-llama-bpe\.gguf( .*)?": (
        "Llama 3's vocabulary has a licence of its own and is not part of this repository"
    ),
    r"lrmtest compress .* --method (gptq|awq) .*": "llmcompressor is in an environment of its own",
    r"lrmtest (compress|sweep) .* --method rounding .*": "tests/outside uses the package",
    r"lrmtest sweep .* --protect suggested.*": "tests/cli/test_sweep_command.py does",
    r"pytest .* --gate --read": (
        "tests/plugin/test_read_gate.py and tests/cli/test_certify_command.py do, with a model "
        "that tells log-probabilities"
    ),
    r"pytest .* --engine vllm --model tiny-(lrm|pruned) .*": (
        "tests/plugin/test_drafts.py does, with a real vLLM"
    ),
    r"lrmtest certify .*": "tests/cli/test_certify_command.py does, with a tiny model's traces",
    r"lrmtest gate .*": "tests/cli/test_gate_command.py does, with models that are to be had here",
    r"lrmtest merge .*": "tests/cli/test_merge_command.py does, with stores of two places",
    r"lrmtest serve [\w.-]+": "loads a model that is not to be had here",
    r"lrmtest serve .* --ray .*": "tests/engines/server/test_fleet.py does, with Ray itself",
    r"lrmtest serve --scale \d+ [\w.-]+": "the same",
    r"inspect eval inspect_evals/livecodebench_pro .*": "its containers and data are not here",
    r"lrmtest import logs/\w+ --kind marked .*": "tests/runs/formats/test_marked_logs.py does",
    r"lrmtest watch( --html)?": "tests/cli/test_watch_command.py does, beside a run",
    r"lrmtest export last --to .*": "tests/cli/test_export_command.py does, and reads it back",
    r"wandb leet inspect .*": "of the run that the line above did not write",
    r"python docs/examples/read_mlflow\.py .*": "the same",
    r"lrmtest serve --stop [\w.-]+": "stops what the line above could not start",
}
"""Commands that are not run, as patterns, with the reason."""

TESTED_OR_GATED = (0, REGRESSED, UNDECIDED, CANNOT_TELL)
"""A stand-in does not know the answers, so tests may fail, and a gate may say so. Anything else
is a mistake in the command, or of the machinery."""

FEW = "2"
"""Generated questions of each family, where a command does not say how many."""

MOST = {"--fresh-count": 8, "--generations": 40, "--generate": 1, "--curve-draws": 1}
"""What is asked for at the most, where a command says more."""

MOST_OF_MODELS = {**MOST, "--samples": 1}
"""Likewise, where no stand-in answers but a model, from `HAD_HERE`."""

CALIBRATED = {"sparsegpt", "wanda", "magnitude", "gguf"}
FEW_TEXTS = "16"
"""Calibration texts of a variant by these methods, where a command does not say how many."""

HAD_HERE = r"(out/)?tiny-[\w.-]+"
"""Models that are asked themselves: the one in the package, and what commands make of it."""

PLACEHOLDERS = {"QUESTION": "2024-I-1", "B": "last:baseline", "RUN": "last"}
"""Words that stand for something of the reader's own."""


def answer(prompt, seed):
    """Something that every grader can read, and that is right now and then; once, a loop."""
    if "3 + 3" in prompt:
        return "Let me see. " + "Once more, slowly. " * 400
    return "Let me see.\n</think>\n\nThe answer is (A). True. Oslo1. \\boxed{4}"


def other_answer(prompt, seed):
    """Another model: right elsewhere."""
    if "3 + 3" in prompt:
        return "Wait. " + "Let me see it again. " * 400
    return "Let me see.\n</think>\n\nThe answer is (B). False. Oslo2. \\boxed{2}"


@pytest.fixture(scope="module")
def servers():
    # A loop may be left before or after the server's count at its end has come; a running count
    # makes both runs counted, whatever the machine does.
    with (
        FaultServer(answer=answer, running=True) as one,
        FaultServer(answer=other_answer, running=True) as other,
    ):
        yield one, other


@pytest.fixture(scope="module")
def template(tmp_path_factory, servers):
    """A folder with two models' runs of every suite, and all that commands take."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(ROOT / "suites", folder / "suites", ignore=shutil.ignore_patterns("__*"))
    (folder / "pytest.ini").write_text("[pytest]\n")
    made_benchmarks.make(folder / "benchmarks")
    for name, server in zip(("one", "other"), servers, strict=True):
        with prepared.begin(
            *("-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "made_benchmarks"),
            *("-p", "no:hypothesispytest", "--model", f"{name}={server.url}", "--samples", "2"),
            *("--data-dir", "benchmarks", "suites/aime", "suites/folio", "suites/temporal"),
            *("suites/fresh/test_fresh_temporal.py", "--fresh-count", "5"),
            *("suites/musique/test_musique.py", "suites/musique/contexts.py"),
            cwd=folder, env={**os.environ, "PYTHONPATH": PYTHONPATH},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            process.wait(timeout=900)
    for words in (
        ("export", "last:one", "one.jsonl"),
        ("export", "last:other", "other.jsonl"),
        ("baseline", "last:one", "-o", "one.json"),
    ):
        with contextlib.chdir(folder):
            assert run_lrmtest(words)[0] == 0
    _write_logs(folder)
    return folder


def _write_logs(folder):
    """Logs of other tools, as the documentation names them."""
    lines = {"aime": [], "folio": []}
    for number, row in enumerate(made_benchmarks.aime_rows()):
        lines["aime"].append(_harness_line(number, row, str(row["Answer"])))
    for number, row in enumerate(made_benchmarks.folio_v2_rows()[:4]):
        asked = f"{row['premises']}\n{row['conclusion']}\n(A) True\n(B) False\n(C) Uncertain"
        lines["folio"].append(_harness_line(number, {"input": asked}, "(A)"))
    (folder / "aime-log.jsonl").write_text("".join(lines["aime"]))
    (folder / "folio-log.jsonl").write_text("".join(lines["folio"]))


def _write_folders():
    """Folders of lighteval and evalscope, as the documentation names them."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    details, outputs = [], []
    for number, row in enumerate(made_benchmarks.aime_rows()):
        text = "</think> The answer is \\boxed{4}"
        asked, answer = row["Problem"], str(row["Answer"])
        doc = {"query": asked, "choices": [answer], "gold_index": 0, "id": str(number)}
        response = {"text": [text], "input": asked}
        details.append({"doc": doc, "model_response": response, "metric": {"em": 0}})
        choice = {"message": {"content": text}, "stop_reason": "stop"}
        messages = [{"role": "user", "content": asked}]
        output = {"choices": [choice]}
        outputs.append({"index": number, "messages": messages, "model_output": output})
    folder = Path("results/details/m/2026-01-02T03-04-05.6")
    folder.mkdir(parents=True)
    name = f"details_aime24|0_{folder.name}.parquet"
    parquet.write_table(arrow.Table.from_pylist(details), folder / name)
    predictions = Path("outputs/20260102_030405/predictions/m/aime24_default.jsonl")
    predictions.parent.mkdir(parents=True)
    predictions.write_text("".join(json.dumps(row) + "\n" for row in outputs))


def _harness_line(number, doc, target):
    return (
        json.dumps(
            {
                "doc_id": number,
                "doc": doc,
                "target": target,
                "arguments": {"gen_args_0": {"arg_0": "asked", "arg_1": {"max_gen_toks": 512}}},
                "resps": [["</think> The answer is (A). \\boxed{4}"]],
                "filter": "none",
            }
        )
        + "\n"
    )


def needs_a_process(words):
    """Whether the command imports torch, which cannot be imported twice in one process."""
    return words[0] in ("compress", "sweep") or any(re.fullmatch(HAD_HERE, word) for word in words)


def run_lrmtest(words):
    """The exit status of a command that needs no process of its own, and all it printed."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        try:
            code = main(list(words))
        except SystemExit as stopped:
            code = stopped.code
    return code, stream.getvalue()


class Shell:
    """Runs a file's commands, one after the other.

    Args:
        pytester, monkeypatch: pytest's.
        template: the folder that the commands get a copy of.
        url: the server that stands in for models.
        text: the whole file, to see which runs it looks back at.
    """

    def __init__(self, pytester, monkeypatch, template, url, text):
        self.pytester, self.monkeypatch, self.url = pytester, monkeypatch, url
        self.added = set()
        self.home = pytester.path / "home"
        folder = pytester.path / "work"
        shutil.copytree(template, folder)
        shutil.copytree(template / "benchmarks", self.home / "benchmarks")
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.setenv("LRMTEST_DATA_DIR", str(folder / "benchmarks"))
        made_benchmarks.trust(monkeypatch)
        prepared.forks(monkeypatch)
        # Sessions that a command starts in a process of their own trust them, too.
        monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
        monkeypatch.setenv("PYTEST_PLUGINS", "made_benchmarks")
        self._prepare(folder, text)

    def _prepare(self, folder, text):
        """Files and runs under the names that the documentation gives them."""
        shutil.copy("one.jsonl", "outputs.jsonl")
        Path("FOLDER").mkdir()
        shutil.copy("one.jsonl", "FOLDER/one.jsonl")
        for name in set(re.findall(r"[\w./-]+\.json\b", text)):
            if "baseline" in name:
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy("one.json", name)
        for name in set(re.findall(r"samples[\w.-]*\.jsonl", text)):
            shutil.copy("aime-log.jsonl" if "aime" in name else "folio-log.jsonl", name)
        if "lrmtest import outputs/" in text:
            _write_folders()
        for package in OUTSIDE.glob("*/pyproject.toml"):
            if package.read_text() in text:
                install(package.parent, folder / package.parent.name, self.monkeypatch)
        if "lrmtest compress ./my-model" in text:
            # Rows that every type of llama.cpp has whole blocks of.
            tiny_checkpoint.save(folder / "my-model", hidden_size=256, intermediate_size=256)
        names = {match.rstrip(".") for match in re.findall(r"last:([\w.-]+)", text)}
        self.names = sorted({*names, "NAME", "baseline"})
        self.add_runs()
        for name in set(re.findall(r"[\w:-]+\.eval\b", text)):
            if "_" in name:
                only = _of_suite(Path("one.jsonl"), "aime")
                run_lrmtest(("import", str(only), "--reports-dir", "aside"))
                assert run_lrmtest(("export", "last", name, "--reports-dir", "aside"))[0] == 0

    def add_runs(self):
        """Make runs of every suite the newest ones, whatever earlier commands did."""
        with Store(Path("reports", STORE_NAME)) as store:
            stored = [(run.manifest.model.name, run.run_id) for run in store.runs()]
        newest = dict(reversed(stored))
        for number, name in enumerate(self.names):
            if newest.get(name) not in self.added:
                self._add_run("one" if number % 2 else "other", name)
        if not stored or stored[0][1] not in self.added:
            self._add_run("other", "latest")

    def _add_run(self, source, name):
        """A copy of a run as that of the model `name`; of one suite if that is its name."""
        own = f"{name}-20260101-{len(self.added):06}-abcd"
        self.added.add(own)
        path = Path(f"{source}.jsonl")
        if name.lower() in ("aime", "folio"):
            path = _of_suite(path, name.lower())
        lines = path.read_text().splitlines(keepends=True)
        run = json.loads(lines[0])
        run |= {"run_id": own, "model": name, "identity": name}
        run["manifest"]["model"]["name"] = name
        path = Path("copy.jsonl")
        path.write_text("".join([json.dumps(run) + "\n", *lines[1:]]))
        assert run_lrmtest(("import", str(path)))[0] == 0

    def run(self, text):
        """Run a line; returns what went wrong, or nothing."""
        text = re.sub(r"\$\(([^)]*)\)", self._substituted, text)
        for words in _simple_commands(text):
            problem = self._simple(words)
            if problem:
                return problem
        return ""

    def _substituted(self, match):
        code, out = self._lrmtest(self._expanded(shlex.split(match[1])[1:]))
        assert code == 0, out
        return " ".join(shlex.quote(word) for word in out.split("\n") if word)

    def _expanded(self, words):
        expanded = []
        for word in words:
            word = PLACEHOLDERS.get(word, word)
            word = re.sub(r"^~(?=/|$)|(?<==)~(?=/|$)", str(self.home), word)
            found = sorted(map(str, Path().glob(word))) if "*" in word else []
            expanded += found or [word]
        return expanded

    def _simple(self, words):
        while re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            self.monkeypatch.setenv(name, value)
        target = None
        if ">" in words:
            at = words.index(">")
            target, words = words[at + 1], words[:at]
        program = program_of(words[0])
        arguments = _at_most(self._expanded(words[1:]))
        if program == "export":
            name, _, value = arguments[0].partition("=")
            self.monkeypatch.setenv(name, value)
            return ""
        if program == "pip":
            return _installable(arguments)
        if any(word.startswith("training/") for word in words):
            # It trains for hours, or takes what that has made: only its script is looked for.
            (script,) = (word for word in words if word.endswith(".py"))
            return "" if (ROOT / script).is_file() else f"there is no {script}"
        if any(word.startswith("benchmarks/") for word in words):
            return _known_to_its_script(words[1:])
        if words[1:3] == ["-m", "venv"]:
            return "" if len(words) == 4 else "a folder was expected"
        if program == "lrmtest":
            if arguments[0] == "sweep" and not any("--pytest" in word for word in arguments):
                arguments.append(f"--pytest=--fresh-count {FEW}")
            if CALIBRATED & {*arguments} and "--calibration-samples" not in arguments:
                arguments += ["--calibration-samples", FEW_TEXTS]
            code, out = self._lrmtest(arguments)
            if target:
                Path(target).write_text(out)
            decides = "--gate" in arguments or "--rerun" in arguments
            expected = TESTED_OR_GATED if decides else (0,)
            return "" if code in expected else f"exit status {code}\n{out}"
        assert program == "pytest", f"nobody knows how to run {program}"
        arguments = [*self._stand_in(arguments), "--tb=line"]
        if needs_a_process(arguments):
            options = ("-p", "no:hypothesispytest", "--basetemp", self.pytester.path / "temporary")
            code, out = prepared.run("pytest", *options, *arguments)
        else:
            result = self.pytester.runpytest_inprocess(*arguments)
            code, out = result.ret, f"{result.stdout.str()}{result.stderr.str()}"
        return "" if code in TESTED_OR_GATED else f"exit status {code}\n{out[-3000:]}"

    def _lrmtest(self, words):
        if needs_a_process(words):
            return prepared.run("lrmtest", *words)
        return run_lrmtest(words)

    def _stand_in(self, arguments):
        """The arguments with the server in place of every model, and fewer generated questions."""
        changed, rest = [], list(arguments)
        while rest:
            word = rest.pop(0)
            if word == "--model":
                changed += [word, self._model(rest.pop(0))]
            elif word == "--engine" and rest[0] in ("vllm", "llamacpp", "transformers"):
                rest.pop(0)
            else:
                changed.append(word)
        if "--fresh-count" not in changed:
            changed += ["--fresh-count", FEW]
        return changed

    def _model(self, given):
        name, equals, place = given.partition("=")
        if (place or given).startswith("recorded:") or re.fullmatch(HAD_HERE, given):
            return given
        if not equals:
            name = {"...": "model"}.get(given, Path(given).stem if "/" in given else given)
        return f"{name}={self.url}"


def _at_most(arguments):
    """The arguments without more of anything than is asked for at the most."""
    changed = [*arguments]
    for option, most in (MOST_OF_MODELS if needs_a_process(arguments) else MOST).items():
        if option in changed:
            at = changed.index(option) + 1
            changed[at] = str(min(most, int(changed[at])))
    return changed


def _of_suite(source, suite):
    """An exported run with one of its suites only."""
    kept = []
    for line in source.read_text().splitlines():
        record = json.loads(line)
        if record.get("lrmtest") == "run/1":
            suites = record["manifest"]["suites"]
            record["manifest"]["suites"] = {suite: suites[suite]}
        if record.get("suite", suite) == suite:
            kept.append(json.dumps(record) + "\n")
    target = source.with_name(f"{suite}-only.jsonl")
    target.write_text("".join(kept))
    return target


def _simple_commands(text):
    """The simple commands of a line with ``&&`` or ``||``, each as its words."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="&|;>")
    lexer.whitespace_split = True
    simple = [[]]
    for word in lexer:
        if word == "||":
            break  # what is done when the command fails
        if word in ("&&", ";"):
            simple.append([])
        else:
            simple[-1].append(word)
    return [words for words in simple if words]


def _known_to_its_script(words):
    """Benchmarks measure for minutes: that theirs are their options is what is looked at."""
    script, *arguments = words
    code, told = _help_of(ROOT / script)
    if code or not told.startswith("usage: "):
        return f"exit status {code}\n{told}"
    unknown = [word for word in arguments if word.startswith("--") and word not in told]
    return f"{script} does not know {', '.join(unknown)}" if unknown else ""


@functools.cache
def _help_of(script):
    return prepared.run(script, "--help")


def _installable(arguments):
    """What is wrong with a `pip install`: an extra that there is not."""
    for word in arguments:
        extras = re.fullmatch(r"(?:lrmtest|\.)\[([\w,]+)\]", word)
        for extra in extras[1].split(",") if extras else ():
            if extra not in EXTRAS:
                return f"there is no extra {extra!r}"
    return ""


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_runs(path, pytester, monkeypatch, template, servers):
    commands = [command for command in _replaced(path) if not _cannot(command.bare)]
    if not commands:
        return
    shell = Shell(pytester, monkeypatch, template, servers[1].url, path.read_text())
    problems = []
    for command in commands:
        problem = shell.run(command.text)
        makes_runs = command.program == "pytest" or re.search("import|rerun", command.text)
        if makes_runs:
            shell.add_runs()
        if problem:
            problems.append(f"{command.place}: {command.text}\n{problem}")
    assert not problems, "\n\n".join(problems)


def test_what_fails_in_a_prepared_process_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("no-such-model", "-o", "x", "--method", "wanda", "--sparsity", "0.5")
    code, out = prepared.run("lrmtest", "compress", *words)
    assert code == 2
    assert "no-such-model" in out
    (tmp_path / "test_x.py").write_text("import os\n\ndef test_x():\n    os.kill(os.getpid(), 9)\n")
    assert prepared.run("pytest", "test_x.py")[0] == -9
    assert prepared.run("pytest", "--version") == (0, f"pytest {pytest.__version__}\n")


def _replaced(path) -> list[Command]:
    """The commands that are run here: all, or those of a story that are the reader's own."""
    if is_placed(path):
        told = [block for block in blocks_in(path) if not block.folder]
        return [command for block in told for command in commands_of(block)]
    told = [block for block in blocks_in(path) if block.mark == ELSEWHERE]
    assert not told or story_of(path), f"{path.name} shows no output: all of it is run here"
    if not story_of(path):
        return commands_in(path)
    return [command for block in told for command in commands_of(block)]


def _cannot(command):
    return any(re.fullmatch(pattern, command) for pattern in CANNOT)


def test_the_list_of_what_cannot_run_is_up_to_date():
    given = [command.bare for path in DOCUMENTS for command in commands_in(path)]
    for pattern in CANNOT:
        assert any(re.fullmatch(pattern, command) for command in given), f"no longer: {pattern}"


@pytest.mark.parametrize(
    "block",
    ["```\nlrmtest runs\nmake it so\n```", "```text\n$ lrmtest runs\n```", "```\nx\npytest y\n```"],
)
def test_nothing_is_passed_over_in_silence(tmp_path, block):
    path = tmp_path / "x.md"
    path.write_text(f"# x\n\n{block}\n")
    with pytest.raises(AssertionError, match=r"x\.md:\d"):
        commands_in(path)


def test_the_prepared_store_has_failures_and_passes(template):
    with Store(template / "reports" / "lrmtest.sqlite", create=False) as store:
        for run in store.runs():
            verdicts = [record.verdict for record in store.sample_records(run)]
            assert {verdict.correct for verdict in verdicts} == {True, False}
