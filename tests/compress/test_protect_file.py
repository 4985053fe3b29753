"""Files of what to protect: written, read, expanded, refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.compress.protect_file import (
    FORMAT,
    ListedModule,
    expand,
    protect_file_text,
    read_protect_file,
)
from lrmtest.errors import UsageError

Q, UP = "model.layers.0.self_attn.q_proj", "model.layers.11.mlp.up_proj"
NAMES = st.from_regex(r"model\.layers\.[0-9]{1,3}\.[a-z_.]{1,30}", fullmatch=True)


def listed(*modules):
    lines = [f'format = "{FORMAT}"']
    for name, weights, *type_ in modules:
        lines += ["[[module]]", f"name = {json.dumps(name)}", f"weights = {weights}"]
        lines += [f"type = {json.dumps(each)}" for each in type_]
    return "\n".join(lines)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some.protect.toml"
    path.write_text(listed((Q, 256, "Q8_0"), (UP, 1024)))
    return path


@given(
    st.lists(
        st.builds(
            ListedModule,
            NAMES,
            st.integers(1, 1 << 47),
            st.sampled_from(["", "Q8_0", "IQ4_XS"]),
            st.text(),
        ),
        min_size=1,
        unique_by=lambda one: one.name,
    ),
    st.lists(st.text()),
)
def test_what_is_written_is_read_whatever_stands_beside_it(tmp_path_factory, modules, remarks):
    path = tmp_path_factory.mktemp("file") / "file.toml"
    path.write_text(protect_file_text(modules, remarks))
    found = [(one.name, one.weights, one.type) for one in read_protect_file(path)]
    assert found == [(one.name, one.weights, one.type) for one in modules]


def test_a_file_stands_for_its_modules(file):
    found = expand(["last:mlp", f"@{file}"], typed=False)
    assert found.protect == ("last:mlp", Q, UP)
    assert found.expected == {Q: 256, UP: 1024}
    typed = expand([f"@{file}"], typed=True)
    assert (typed.protect, typed.tensors) == ((UP,), (f"{Q}=Q8_0",))
    control = expand([f"random:like:@{file}"], typed=True)
    assert control.protect == (f"random:like:{Q}", f"random:like:{UP}")
    assert not control.tensors


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read"),
        ("", "is no file of what to protect"),
        ("format = [", "not valid TOML"),
        ("format = 'lrmtest-protect/2'", "its format is not"),
        (listed(), "protects nothing"),
        (listed((Q, 0)), "module 1 is not described"),
        (listed((Q, 1 << 60)), "module 1 is not described"),
        (listed((Q, "true")), "module 1 is not described"),
        (listed((Q, 1), ("*", 1)), "module 2 is not described"),
        (listed(("random:99%", 1)), "module 1 is not described"),
        (listed((Q, 1, "Q8_0=F16")), "module 1 is not described"),
        (listed((Q, 1), (Q, 1)), "is in it twice"),
        (f"format = '{FORMAT}'\nmodule = {'[' * 3000}{']' * 3000}", "nested too deeply"),
        (f"format = '{FORMAT}'\nmodule = {{}}", "protects nothing"),
        (f"format = '{FORMAT}'\nmodule = [1]", "module 1 is not described"),
        ("#" * (5 << 20), "longer than"),
        ("\x00", "not valid TOML"),
    ],
)
def test_what_is_broken_or_hostile_is_refused_in_a_sentence(tmp_path, text, said):
    path = tmp_path / "file.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError) as raised:
        expand([f"@{path}"], typed=False)
    assert said in str(raised.value)
    assert len(str(raised.value)) < 1000
