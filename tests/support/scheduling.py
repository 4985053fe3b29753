"""The order of this project's tests under pytest-xdist, and which of them stay together."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "tests/cli/test_compute_command.py",
    "tests/compress/gguf/test_quantize.py",
    "tests/compress/llmcompressor/test_quantize.py",
    "tests/docs/test_commands.py",
    "tests/docs/test_site.py",
    "tests/engines/test_llamacpp_engine.py",
    "tests/engines/test_vllm_engine.py",
    "tests/engines/tokenizers/test_counter.py",
    "tests/engines/transformers/test_transformers_engine.py",
    "tests/reports/html/",
    "tests/test_wheel.py",
)
"""Files whose tests share something slow to start: a server, a loaded model, a wheel, a store; and
the folder of those in a browser, which one process drives."""

LONG = ("tests/grading/test_large_texts.py", "tests/test_fuzz.py")
"""Files with tests of half a minute, beside those that start engines and the documentation's. Not
those with a browser: its library leaves an event loop in the process, in which no other can run."""


class Together(LoadScopeScheduling):
    """Gives each test to the process that is free, and all of a file in `TOGETHER` to one.

    The marks of ``--dist loadgroup`` would do, but with pytest 9.2 xdist 3.8 does not see them.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((each for each in TOGETHER if file.startswith(each)), nodeid)
