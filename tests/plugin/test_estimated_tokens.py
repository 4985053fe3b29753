"""A tilde stands before what is estimated, and before nothing that is counted."""

import re

import pytest
from fault_server import FaultServer
from sums import SUITE

ANSWER = "<think>one two three four five six seven</think>The answer is 4."


@pytest.mark.parametrize("usage", [True, False])
def test_only_estimates_have_a_tilde(pytester, usage):
    pytester.makepyfile(test_sums=SUITE)
    with FaultServer(answer=lambda prompt, seed: ANSWER, stream=False, usage=usage) as server:
        result = pytester.runpytest_inprocess(
            "-p", "no:cacheprovider", "--model", f"m={server.url}", "--markdown", "s.md"
        )
    output = result.stdout.str()
    assert "~" in output  # the reasoning's share
    prompt = re.search(r"prompt tokens.*\n.*\n.*\n(.*)", output)
    assert (prompt is None) == (not usage)
    assert prompt is None or "~" not in prompt.group(1)
    table = (pytester.path / "s.md").read_text().split("\n\n")[1]
    assert ("~" in table) == (not usage)
