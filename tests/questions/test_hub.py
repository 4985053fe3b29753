"""The hub's side of lrmtest.questions, against a small server that answers as the hub does.

Each test asks in a process of its own, because huggingface_hub reads HF_ENDPOINT, HF_HOME,
HF_TOKEN and HF_HUB_OFFLINE once, when it is imported.
"""

import hashlib
import json

import made_benchmarks
import pytest
from stand_in_hub import COMMIT, asked_in_a_process, environment, running_hub

from lrmtest.questions import DataOptions
from lrmtest.suites import suite_named
from lrmtest.suites.aime import AIME_2024
from lrmtest.suites.temporal import TEMPORAL_SEQUENCES

ROWS = 203


def folio_rows(count=ROWS):
    return "".join(
        json.dumps(
            {
                "story_id": number,
                "premises": "All cats sleep.\nTom is a cat.",
                "conclusion": f"Tom {number} sleeps.",
                "label": "True",
                "example_id": number,
            }
        )
        + "\n"
        for number in range(count)
    ).encode()


@pytest.fixture
def hub():
    with running_hub() as server:
        yield server


@pytest.fixture
def ask(hub, tmp_path):
    """Loads in a fresh process; returns what it printed, a dict."""

    def run(load="suite_named('folio-v2').load(DataOptions())", **env):
        code = (
            # The library waits long between attempts; what it does then is what is tested.
            "import json, time\n"
            "time.sleep = lambda seconds: None\n"
            "from lrmtest.errors import DataError\n"
            "from lrmtest.questions import *\n"
            "from lrmtest.suites import suite_named\n"
            "from lrmtest.questions.question import Question\n"
            "from lrmtest.questions.hub import HubFile\n"
            "from lrmtest.questions.sources import Release, load_release\n"
            "from dataclasses import replace\n"
            "from lrmtest.suites.aime import load_aime\n"
            "from lrmtest.suites.aime_2022 import AIME_2022\n"
            "def build(row, number):\n"
            "    return Question(row.text('id'), 's', {'q': row.text('q')}, ('1',), 'integer')\n"
            "try:\n"
            f"    loaded = {load}\n"
            "    print(json.dumps({'ids': [q.id for q in loaded.questions],"
            " 'source': [loaded.source.kind, loaded.source.name, loaded.source.revision,"
            " loaded.source.sha256]}))\n"
            "except DataError as error:\n"
            "    print(json.dumps({'message': error.message, 'hint': error.hint}))\n"
        )
        return asked_in_a_process(code, env=environment(hub, tmp_path / "hf") | env)

    return run


def release(data, *, revision=COMMIT, path="rows.jsonl", repo="someone/rows", sha256=None):
    sha256 = hashlib.sha256(data).hexdigest() if sha256 is None else sha256
    return (
        "load_release(Release(name='r', title='Rows', names=('rows.jsonl',), rows=1, "
        f"licence='any', hub=HubFile({repo!r}, {path!r}, {revision!r}), obtain='', "
        f"fingerprinted=False, sha256={sha256!r}), DataOptions(), build)"
    )


ROW = b'{"id": "a", "q": "?"}\n'


def test_download_then_offline_from_the_cache(hub, ask):
    hub.files["yale-nlp/FOLIO", "folio_v2_validation.jsonl"] = folio_rows()
    first = ask()
    assert len(first["ids"]) == ROWS
    # The branch was asked for; what it was resolved to is what is reported.
    sha256 = hashlib.sha256(folio_rows()).hexdigest()
    assert first["source"] == ["hub", "yale-nlp/FOLIO", COMMIT, sha256]
    assert hub.requests[0] == (
        "HEAD",
        "/datasets/yale-nlp/FOLIO/resolve/main/folio_v2_validation.jsonl",
    )
    asked = len(hub.requests)
    assert ask(HF_HUB_OFFLINE="1") == first
    assert ask("suite_named('folio').load(DataOptions())", HF_HUB_OFFLINE="1") == first
    assert len(hub.requests) == asked


def test_a_pinned_commit_in_the_cache_is_not_asked_for_again(hub, ask):
    hub.files["someone/rows", "rows.jsonl"] = ROW
    assert ask(release(ROW))["ids"] == ["a"]
    asked = len(hub.requests)
    assert ask(release(ROW))["ids"] == ["a"]
    assert len(hub.requests) == asked


def test_another_hash_is_refused(hub, ask):
    hub.files["someone/rows", "rows.jsonl"] = ROW.replace(b"?", b"!")
    answer = ask(release(ROW))
    assert "rows.jsonl" in answer["message"]
    assert hashlib.sha256(ROW).hexdigest() in answer["message"]
    assert hashlib.sha256(ROW.replace(b"?", b"!")).hexdigest() in answer["message"]
    assert "delete" in answer["hint"]


def test_a_short_file_is_refused(hub, ask):
    hub.files["yale-nlp/FOLIO", "folio_v2_validation.jsonl"] = folio_rows(200)
    assert "200 questions, but FOLIO v2, validation split has 203" in ask()["message"]


@pytest.mark.parametrize("token", ["", "hf_wrong"])
def test_a_gated_dataset_says_how_to_get_in(hub, ask, token):
    hub.files["yale-nlp/FOLIO", "folio_v2_validation.jsonl"] = folio_rows()
    hub.gated["yale-nlp/FOLIO"] = "hf_right"
    answer = ask(**({"HF_TOKEN": token} if token else {}))
    assert "gated" in answer["message"]
    assert f"{hub.url}/datasets/yale-nlp/FOLIO" in answer["hint"]
    assert "HF_TOKEN" in answer["hint"]
    assert "--data-dir" in answer["hint"]
    assert "hf_" not in json.dumps(answer)


@pytest.mark.parametrize("name", ["aime-2023", "aime-2025", "aime-2026", "hmmt", "brumo"])
def test_a_contest_behind_a_gate(hub, ask, name):
    """None of them is gated today; their owners may change that."""
    release = suite_named(name).described.releases[0]
    hub.files[release.hub.repo, release.hub.path] = b"PAR1"
    hub.commits.add(release.hub.revision)
    hub.gated[release.hub.repo] = "hf_right"
    answer = ask(f"suite_named({name!r}).load(DataOptions())")
    assert "gated" in answer["message"]
    assert f"{hub.url}/datasets/{release.hub.repo}" in answer["hint"]
    assert release.names[0] in answer["hint"]


@pytest.mark.parametrize("name", ["aime-2022", "aime-2025", "aime-2026", "hmmt-feb-2026"])
def test_another_file_than_the_published_one(hub, ask, name):
    release = suite_named(name).described.releases[0]
    hub.files[release.hub.repo, release.hub.path] = b"PAR1 of another day"
    hub.commits.add(release.hub.revision)
    answer = ask(f"suite_named({name!r}).load(DataOptions())")
    assert f"not the released file of {release.title}" in answer["message"]
    assert release.hub.sha256 in answer["message"]
    assert "delete" in answer["hint"]


def test_one_file_has_several_years(hub, ask, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    parquet.write_table(pyarrow.Table.from_pylist(made_benchmarks.aimo_rows()), tmp_path / "file")
    data = (tmp_path / "file").read_bytes()
    pinned = suite_named("aime-2022").described.releases[0].hub
    hub.files[pinned.repo, pinned.path] = data
    hub.commits.add(pinned.revision)
    sha256 = hashlib.sha256(data).hexdigest()
    answer = ask(
        "load_aime('aime-2022', replace(AIME_2022, rows=2, fingerprinted=False, "
        f"hub=replace(AIME_2022.hub, sha256={sha256!r})), 2022, DataOptions())"
    )
    assert answer == {
        "ids": ["2022-II-7", "2022-I-10"],
        "source": ["hub", pinned.repo, pinned.revision, sha256],
    }


def test_a_gated_dataset_with_a_token(hub, ask):
    hub.files["yale-nlp/FOLIO", "folio_v2_validation.jsonl"] = folio_rows()
    hub.gated["yale-nlp/FOLIO"] = "hf_right"
    assert len(ask(HF_TOKEN="hf_right")["ids"]) == ROWS


def test_a_repository_that_is_not_there(ask):
    answer = ask()
    assert "not found, or not without a token" in answer["message"]
    assert "HF_TOKEN" in answer["hint"]


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "Invalid credentials in Authorization header"), (403, "Forbidden")],
)
def test_a_token_that_does_not_do(hub, ask, status, message):
    hub.refused["yale-nlp/FOLIO"] = (status, "", message)
    answer = ask(HF_TOKEN="hf_wrong")
    assert f"HTTP {status}" in answer["message"]
    assert "HF_TOKEN" in answer["hint"]
    assert "hf_wrong" not in json.dumps(answer)


def test_a_hub_out_of_order(hub, ask):
    hub.refused["yale-nlp/FOLIO"] = (500, "", "Internal Error")
    answer = ask()
    assert "yale-nlp/FOLIO" in answer["message"]
    assert "could not be downloaded: HTTP 500" in answer["message"]
    assert "--data-dir" in answer["hint"]


@pytest.mark.parametrize(
    "what", [{"path": "other.jsonl"}, {"revision": "f" * 40}], ids=["file", "revision"]
)
def test_a_file_or_revision_that_is_not_there(hub, ask, what):
    hub.files["someone/rows", "rows.jsonl"] = ROW
    answer = ask(release(ROW, **what))
    assert "no file" in answer["message"]
    assert next(iter(what.values())) in answer["message"]
    assert "--data-dir" in answer["hint"]


def test_offline_without_the_file(ask):
    answer = ask(HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in answer["message"]
    assert "--data-dir or LRMTEST_DATA_DIR" in answer["hint"]
    assert "folio_v2_validation.jsonl" in answer["hint"]


def test_no_hub_to_reach(ask):
    answer = ask(release(ROW), HF_ENDPOINT="http://127.0.0.1:9")
    assert "cannot be reached" in answer["message"]
    assert "--data-dir or LRMTEST_DATA_DIR" in answer["hint"]


def test_a_transfer_that_breaks_off(hub, ask):
    hub.files["someone/rows", "rows.jsonl"] = ROW * 1000
    hub.broken.add("someone/rows")
    answer = ask(release(ROW * 1000))
    assert "could not be downloaded" in answer["message"]
    hub.broken.clear()
    hub.files["someone/rows", "rows.jsonl"] = ROW
    assert ask(release(ROW))["ids"] == ["a"]


def test_what_is_not_on_the_hub_says_where_it_is(ask):
    answer = ask("suite_named('folio-v0.0').load(DataOptions())")
    assert "not on the hub" in answer["message"]
    assert "Yale-LILY/FOLIO" in answer["hint"]
    assert "--data-dir" in answer["hint"]


@pytest.mark.data
@pytest.mark.parametrize("name", ["aime", "temporal"])
def test_the_real_questions_from_the_hubs_parquet_files(name, hub, ask, data_dir, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    if name == "aime":
        pinned = AIME_2024.hub
        lines = (data_dir / "aime_2024.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in reversed(lines)]
    else:
        pinned = TEMPORAL_SEQUENCES.hub
        rows = json.loads((data_dir / "bbh_temporal_sequences.json").read_text("utf-8"))["examples"]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "file")
    hub.files[pinned.repo, pinned.path] = (tmp_path / "file").read_bytes()
    hub.commits.add(pinned.revision)
    answer = ask(f"suite_named({name!r}).load(DataOptions())")
    assert answer["source"][:3] == ["hub", pinned.repo, pinned.revision]
    local = suite_named(name).load(DataOptions(data_dir))
    assert answer["ids"] == [question.id for question in local.questions]
