"""Finding llama.cpp's programs, and running programs: progress, failures, Ctrl-C."""

import signal
import subprocess
import sys

import psutil
import pytest
from processes import gone, wait_for

from lrmtest.compress import programs
from lrmtest.compress.gguf.tools import Tool, find_tool
from lrmtest.compress.programs import run_program
from lrmtest.errors import ModelError
from lrmtest.models.programs import llamacpp as llamacpp_program
from lrmtest.models.programs.failure import KnownFailure
from lrmtest.models.programs.llamacpp import (
    VARIABLE,
    LlamaProgram,
    find_llama_program,
)
from lrmtest.progress import silent


def program(folder, name, script="exit 0"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(llamacpp_program, "_PACKAGE", "no_such_package_of_llama_cpp")


@pytest.mark.usefixtures("nothing_installed")
class TestFinding:
    def test_there_is_none(self):
        with pytest.raises(ModelError, match="no llama-quantize") as missing:
            find_llama_program("llama-quantize")
        assert "pip install" in missing.value.hint

    def test_on_path(self, tmp_path):
        path = program(tmp_path / "path", "llama-quantize")
        assert find_llama_program("llama-quantize").path == path

    def test_beside_the_server_that_a_link_on_path_leads_to(self, tmp_path):
        path = program(tmp_path / "build", "llama-quantize")
        server = program(tmp_path / "build", "llama-server")
        (tmp_path / "path").mkdir()
        (tmp_path / "path" / "llama-server").symlink_to(server)
        assert find_llama_program("llama-quantize").path == path

    @pytest.mark.parametrize("named", ["build", "build/llama-server", "link"])
    def test_where_the_variable_says(self, tmp_path, monkeypatch, named):
        path = program(tmp_path / "build", "llama-quantize")
        server = program(tmp_path / "build", "llama-server")
        (tmp_path / "link").symlink_to(server)
        program(tmp_path / "path", "llama-quantize")
        monkeypatch.setenv(VARIABLE, str(tmp_path / named))
        assert find_llama_program("llama-quantize").path == path
        assert find_llama_program("llama-server").path.resolve() == server

    @pytest.mark.parametrize("named", ["build", "build/llama-server", "build/absent", "absent"])
    def test_the_variable_is_heeded_or_nothing(self, tmp_path, monkeypatch, named):
        program(tmp_path / "build", "llama-server")
        program(tmp_path / "path", "llama-quantize")
        monkeypatch.setenv(VARIABLE, str(tmp_path / named))
        with pytest.raises(ModelError, match=f"{VARIABLE} names .*no llama-quantize is there"):
            find_llama_program("llama-quantize")

    def test_a_server_under_another_name(self, tmp_path, monkeypatch):
        server = program(tmp_path / "build", "my-server")
        monkeypatch.setenv(VARIABLE, str(server))
        assert find_llama_program("llama-server").path == server

    def test_one_that_does_not_run(self, tmp_path):
        program(tmp_path / "path", "llama-quantize", "echo 'no libggml.so' >&2; exit 127")
        with pytest.raises(ModelError, match=r"does not run: no libggml\.so"):
            find_tool("llama-quantize")


def run(script, folder, tell=silent, failures=(), progress=lambda line: None):
    return run_program(
        "maker",
        ["/bin/sh", "-c", script],
        {},
        folder=folder,
        tell=tell,
        progress=progress,
        failures=failures,
    )


class TestRunning:
    def test_it_runs_in_the_folder_and_its_lines_come_back(self, tmp_path):
        assert run("pwd; echo two >&2", tmp_path) == [str(tmp_path), "two"]

    def test_progress_is_told_now_and_then_and_not_twice(self, tmp_path, monkeypatch):
        monkeypatch.setattr(programs, "_TELL_SECONDS", 0.0)
        told = []
        script = "echo at 1; sleep 0.7; echo at 2; echo noise; sleep 0.7"
        run(script, tmp_path, told.append, progress=lambda line: line if "at" in line else None)
        assert told == ["at 1", "at 2"]

    def test_a_failure_is_told_in_few_lines(self, tmp_path):
        script = "seq 900; echo failed: x; exit 3"
        with pytest.raises(ModelError, match=r"maker failed \(exit 3\)") as failed:
            run(script, tmp_path)
        assert "failed: x" in str(failed.value)
        assert len(str(failed.value).splitlines()) < 8

    def test_known_failures_have_a_next_step(self, tmp_path):
        known = KnownFailure("no room", "the disk is full", "make room")
        with pytest.raises(ModelError, match="the disk is full") as failed:
            run("echo there is no room; exit 1", tmp_path, failures=[known])
        assert failed.value.hint == "make room"

    @pytest.mark.parametrize(
        ("line", "what"),
        [
            ("0.08 E compute_imatrix: you need at least 128 tokens for a context of", "too short"),
            ("llama_model_quantize: failed: basic_ios::clear: iostream error", "disk is full"),
            ("failed to quantize: this quantization requires an imatrix!", "importance matrix"),
            ("no tensor type fallback is defined for type q8_0", "no stand-in"),
            ("llama_model_load: unknown model architecture: 'x'", "architecture"),
        ],
    )
    def test_failures_of_llamacpp(self, tmp_path, line, what):
        path = program(tmp_path, "llama-maker", f'echo "{line}" >&2; exit 1')
        tool = Tool("llama-maker", LlamaProgram(path, {}), "")
        with pytest.raises(ModelError, match=f"llama-maker: .*{what}") as failed:
            tool.run([], folder=tmp_path, tell=silent, progress=lambda line: None)
        assert failed.value.hint

    def test_one_that_was_killed_has_run_out_of_memory(self, tmp_path):
        with pytest.raises(ModelError, match="out of memory") as failed:
            run("kill -9 $$", tmp_path)
        assert "memory" in failed.value.hint

    def test_one_that_cannot_be_started(self, tmp_path):
        with pytest.raises(ModelError, match="cannot be started"):
            run_program(
                "maker",
                [str(tmp_path / "absent")],
                {},
                folder=tmp_path,
                tell=silent,
                progress=lambda line: None,
                failures=(),
            )

    def test_ctrl_c_ends_it(self, tmp_path):
        code = (
            "from pathlib import Path\n"
            "from lrmtest.compress.programs import run_program\n"
            "run_program('maker', ['/bin/sh', '-c', 'echo $$ > pid; sleep 300'], {}, "
            f"folder=Path({str(tmp_path)!r}), tell=print, progress=str, failures=())\n"
        )
        with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as process:
            pid = tmp_path / "pid"
            maker = psutil.Process(int(wait_for(lambda: pid.is_file() and pid.read_text())))
            process.send_signal(signal.SIGINT)
            assert b"KeyboardInterrupt" in process.communicate(timeout=300)[1]
        assert gone([maker])
