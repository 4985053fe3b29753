"""Claims: what one session generates, no other does; they end with their session."""

import signal
import subprocess
import sys
import textwrap

from lrmtest.runs.claims import Claims

KEYS = {f"{n:064x}" for n in range(100)}

OTHER = """
    import sys
    from pathlib import Path
    from lrmtest.runs.claims import Claims

    claims = Claims(Path(sys.argv[1]), "run")
    print(len(claims.others()), flush=True)
    claims.claim({f"{n:064x}" for n in range(40)})
    print("claimed", flush=True)
    sys.stdin.readline()
    claims.release({f"{n:064x}" for n in range(10)})
    print("released", flush=True)
    sys.stdin.readline()
"""


def test_claims_of_another_process_live_as_long_as_it_does(tmp_path):
    store = tmp_path / "lrmtest.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OTHER), str(store)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "0\n"
    assert process.stdout.readline() == "claimed\n"
    claims = Claims(store, "run")
    others = claims.others()
    assert len(others) == 40
    assert {str(claimant) for claimant in others.values()} == {f"pid {process.pid}"}
    assert Claims(store, "another run").others() == {}
    claims.claim(KEYS - others.keys())
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "released\n"
    assert len(claims.others()) == 30
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert claims.others() == {}
    claims.close()
    assert list(tmp_path.iterdir()) == []


def test_a_session_does_not_see_its_own_claims_and_others_in_its_process_do(tmp_path):
    one, two = (Claims(tmp_path / "lrmtest.sqlite", "run") for _ in range(2))
    one.claim(KEYS)
    assert one.others() == {}
    assert two.others().keys() == KEYS
    one.release({min(KEYS)})
    assert two.others().keys() == KEYS - {min(KEYS)}
    one.close()
    assert two.others() == {}
    two.close()


def test_a_folder_that_cannot_be_written_means_no_sharing(tmp_path):
    (tmp_path / "lrmtest.sqlite-sessions").write_text("in the way")
    claims = Claims(tmp_path / "lrmtest.sqlite", "run")
    claims.claim(KEYS)
    assert claims.others() == {}
    claims.close()
