"""The table of compression methods, and what packages offer to it."""

from dataclasses import replace
from pathlib import Path

import pytest
from outside import put_on_path, write_metadata

from lrmtest.cli import main
from lrmtest.compress.method import CompressionMethod
from lrmtest.compress.methods import (
    METHOD_GROUP,
    compression_methods,
    method_named,
    options_of_methods,
)
from lrmtest.compress.options import BITS, SPARSITY, Option
from lrmtest.errors import ModelError, UsageError

MODULE = """
from lrmtest.compress import BITS, SPARSITY, CompressionMethod, Option

def make(task):
    raise AssertionError("is not made here")

def method(name, *options):
    return CompressionMethod(name, family="test", make=make, options=options)

mine = method("mine", Option("rounds", "how often", type=int, default=3), BITS)
wanda = method("wanda")
other = method("another name")
number = 4
misread = method("misread", Option("bits", "as text"))
taken = method("taken", Option("seed", "of its own", type=int))
"""


@pytest.fixture
def offer(tmp_path, monkeypatch):
    """Install a package that offers methods: entry point name -> object in the module."""

    def install(*, package="lrmtest-mine", module="methods_from_outside", **points):
        site = tmp_path / package
        site.mkdir()
        (site / f"{module}.py").write_text(MODULE)
        entries = {name: f"{module}:{value}" for name, value in points.items()}
        write_metadata(site, package, {METHOD_GROUP: entries})
        put_on_path(monkeypatch, site)

    return install


def test_a_name_means_one_method():
    names = [method.name for method in compression_methods()]
    assert len(set(names)) == len(names)
    assert [method_named(name).name for name in names] == names


def test_the_documentation_lists_every_method():
    text = (Path(__file__).parents[2] / "docs" / "compress.md").read_text()
    for method in compression_methods():
        assert f"`{method.name}`" in text
        for option in method.options:
            assert option.flag in text


def test_a_method_that_a_package_offers(offer):
    offer(mine="mine")
    method = method_named("mine")
    assert compression_methods()[-1] is method
    assert method.checked({"bits": 4, "rounds": None}) == {"rounds": 3, "bits": 4}
    assert method.settings({"rounds": 3, "bits": 4}) == {"method": "mine", "rounds": 3, "bits": 4}
    taken_by = {option.name: [m.name for m in methods] for option, methods in options_of_methods()}
    assert taken_by["bits"] == ["gptq", "awq", "mine"]
    assert taken_by["rounds"] == ["mine"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("wanda", "wanda", "is offered more than once: by lrmtest itself and lrmtest-mine"),
        ("other", "other", "not CompressionMethod 'other'"),
        ("number", "number", "number is 4, not CompressionMethod 'number'"),
        ("absent", "absent", "of package lrmtest-mine cannot be used: AttributeError"),
        ("misread", "misread", "it reads --bits in another way"),
    ],
)
def test_what_cannot_be_used_is_told_to_who_names_it(offer, capsys, name, value, said):
    offer(**{name: value}, mine="mine")
    assert method_named("mine")
    with pytest.raises(UsageError) as caught:
        method_named(name)
    assert said in caught.value.message
    assert main(["compress", "m", "-o", "v", "--method", name]) == 2
    assert said in capsys.readouterr().err


def test_a_package_that_cannot_be_imported(offer, tmp_path):
    offer(mine="mine", module="methods_that_fail")
    (tmp_path / "lrmtest-mine" / "methods_that_fail.py").write_text("import no_such_module")
    with pytest.raises(UsageError, match="ModuleNotFoundError: No module named 'no_such_module'"):
        method_named("mine")
    assert method_named("gguf")


def test_two_packages_with_one_name(offer):
    offer(mine="mine")
    offer(package="lrmtest-too", mine="mine")
    with pytest.raises(UsageError, match=r"by lrmtest-\w+ and lrmtest-\w+"):
        method_named("mine")


@pytest.mark.parametrize("command", [["compress"], ["sweep", "--suite", "suites"]])
def test_an_option_of_lrmtests_own_cannot_be_a_methods(offer, capsys, command):
    offer(taken="taken")
    words = [*command, "tiny-lrm", "-o", "v", "--method", "taken", "--seed", "1"]
    assert main([*words, *(["--bits", "4,8"] if command[0] == "sweep" else [])]) == 2
    assert "--seed of the method taken is an option of lrmtest itself" in capsys.readouterr().err


def test_the_maker_is_imported_when_it_is_used():
    method = CompressionMethod("x", family="x", make="lrmtest.errors:LrmtestError")
    assert method.maker()
    for make, error in (("lrmtest.errors:absent", ModelError), ("absent_module:make", ImportError)):
        with pytest.raises(error):
            replace(method, make=make).maker()


def test_options_that_mean_the_same():
    assert BITS.reads_like(replace(BITS, required=False, default=8))
    assert not BITS.reads_like(replace(BITS, allowed=None))
    assert not SPARSITY.reads_like(Option("sparsity", "words", repeated=True))
