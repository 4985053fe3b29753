"""Where replicas are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import DataError, UsageError
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.engines.replicas.places import ReplicaPlaces, are_several
from lrmtest.models.resolve import resolve


def test_a_list_of_urls():
    places = ReplicaPlaces("http://a:1/v1, http://b:1")
    assert places.now() == ("http://a:1/v1", "http://b:1/v1")
    assert places.location == "http://a:1/v1,http://b:1/v1"
    assert ReplicaPlaces(places.location).now() == places.now()


def test_a_comma_within_a_url_is_its_own():
    assert not are_several("http://gateway/a,b/v1")
    assert ReplicaPlaces("http://gateway/a,b/v1").now() == ("http://gateway/a,b/v1",)


@pytest.mark.parametrize("location", ["http://a,http://a/v1", "http://a,http://", "replicas:"])
def test_what_is_no_list_is_refused(location):
    with pytest.raises(UsageError):
        ReplicaPlaces(location)


def test_a_file_that_changes(tmp_path):
    file = tmp_path / "up.txt"
    places = ReplicaPlaces(f"replicas:{file}")
    assert places.now() == ()
    file.write_text("# from the batch job\nhttp://a:1\n\nhttp://b:1/v1  # node 2\nhttp://a:1/v1\n")
    assert places.now() == ("http://a:1/v1", "http://b:1/v1")
    file.write_text("http://b:1\nnode3:8000\n")
    assert places.now() == ("http://b:1/v1",)
    assert places.skipped[0].startswith(f"{file}:2: 'node3:8000' is not an endpoint's URL")


def test_a_file_that_cannot_be_one_of_urls(tmp_path):
    file = tmp_path / "up.txt"
    places = ReplicaPlaces(f"replicas:{file}")
    file.write_bytes(b"x" * (2 << 20))
    with pytest.raises(DataError):
        places.now()
    file.write_text("\n".join(f"http://node{number}:1" for number in range(1025)))
    with pytest.raises(DataError, match="1,025 endpoints"):
        places.now()


@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(tmp_path_factory, data):
    file = tmp_path_factory.getbasetemp() / "any-replicas"
    file.write_bytes(data)
    places = ReplicaPlaces(f"replicas:{file}")
    try:
        urls = places.now()
    except DataError:
        return
    assert all(url.startswith(("http://", "https://")) and url.isascii() for url in urls)


def test_how_they_are_given(tmp_path):
    spec = resolve("m=http://a:1/v1,http://b:1", {})
    assert (spec.name, spec.engine, spec.location) == (
        "m",
        "replicas",
        "http://a:1/v1,http://b:1/v1",
    )
    file = tmp_path / "up.txt"
    assert resolve(f"replicas:{file}", {}).name == "up"
    assert resolve(f"m=replicas:{file}", {}).location == f"replicas:{file}"
    assert resolve("m=http://a:1", {}, engine="replicas").engine == "replicas"
    assert resolve("m=http://a:1", {}).engine == "openai"


def test_several_without_a_name_or_for_another_engine_are_refused():
    with pytest.raises(UsageError, match="need a name"):
        resolve("http://a:1,http://b:1", {})
    with pytest.raises(UsageError, match="asks one endpoint only"):
        resolve("m=http://a:1,http://b:1", {}, engine="openai")
    with pytest.raises(UsageError, match="runs on engine replicas"):
        resolve("m=http://a:1,http://b:1", {}, engine="transformers")


def test_which_they_are_is_no_part_of_what_is_asked():
    from lrmtest.models.engines.options import EngineOptions

    one, other = (resolve(f"m={urls}", {}) for urls in ("http://a,http://b", "http://c,http://d"))
    options = EngineOptions()
    assert kind_of(one).settings(one, options) == kind_of(other).settings(other, options)
