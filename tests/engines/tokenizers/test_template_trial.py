"""A chat template that does not come to an end is refused."""

import subprocess

import pytest

from lrmtest.errors import ModelError
from lrmtest.models.engines.base import Message
from lrmtest.models.engines.tokenizers.template_trial import try_template

ASKED = [(Message("user", "What is 2 + 2?"),)]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            "does not come to an end",
        ),
        ("{{ 'a' * 10**11 }}", "more than 2 GB"),
    ],
)
def test_a_template_without_an_end_is_refused(template, said):
    with pytest.raises(ModelError, match=said):
        try_template(template, ASKED, {}, seconds=1.0)


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos }}{% endfor %}",
        "{% for i in range(10**9) %}{% endfor %}",  # the sandbox refuses it, where it is rendered
        "{{ raise_exception('no') }}",
        "{% for m in messages %}{% break %}{% endfor %}",
        "{{ strftime_now('%Y') }}{{ messages | tojson(indent=2) }}",
        "{% if %}",
        "",
    ],
)
def test_what_comes_to_an_end_is_left_to_whoever_renders(template):
    try_template(template, ASKED * 300, {"eos": "</s>"})


def test_what_has_come_to_an_end_is_not_tried_again(monkeypatch):
    def refuse(*words, **options):
        raise AssertionError("a process is started")

    template = "{{ messages[0].content }}, tried once"
    try_template(template, ASKED, {"eos": "</s>"})
    monkeypatch.setattr(subprocess, "run", refuse)
    try_template(template, ASKED, {"eos": "</s>"})
    for other in ({"template": template + "!"}, {"variables": {"eos": "<eos>"}}):
        with pytest.raises(AssertionError, match="a process is started"):
            try_template(
                **{"template": template, "conversations": ASKED, "variables": {"eos": "</s>"}}
                | other
            )


def test_what_has_not_come_to_an_end_is_refused_again():
    template = "{{ 'b' * 10**11 }}"
    for _ in range(2):
        with pytest.raises(ModelError, match="more than 2 GB"):
            try_template(template, ASKED, {})
