"""The colours of runs: all twelve to be seen, and told apart, also by whoever sees fewer colours.

Contrast is that of WCAG 2 (at least 3 to 1 for what is no text). Distances are Euclidean in OKLab
(Ottosson, 2020), in which about 0.02 can just be noticed side by side. How colours look without one
kind of cone is simulated as by Machado, Oliveira and Fernandes (IEEE TVCG 15(6), 2009, severity
1.0), on linear RGB.
"""

from __future__ import annotations

import re
from itertools import combinations
from math import dist

import pytest

from lrmtest.reports.html.page import asset

_SEEN = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_WITHOUT = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def by(matrix, vector):
    return tuple(sum(map(float.__mul__, row, vector)) for row in matrix)


def linear(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return tuple(one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)


def oklab(rgb):
    cones = by(_LMS, tuple(min(1.0, max(0.0, one)) for one in rgb))
    return by(_LAB, tuple(one ** (1 / 3) for one in cones))


def luminance(colour):
    return sum(map(float.__mul__, (0.2126, 0.7152, 0.0722), linear(colour)))


def colours(name):
    """A variable of the style sheet, light and dark."""
    found = re.search(rf"--{name}: light-dark\((#[0-9a-f]+),\s*(#[0-9a-f]+)\)", asset("report.css"))
    return tuple("#" + "".join(2 * c for c in one[1:]) if len(one) == 4 else one
                 for one in found.groups())  # fmt: skip


RUNS = [colours(f"s{number}") for number in range(12)]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_run_is_seen(scheme):
    card = luminance(colours("card")[scheme])
    for colour in RUNS:
        ends = sorted((card, luminance(colour[scheme])))
        assert (ends[1] + 0.05) / (ends[0] + 0.05) >= 3.0, colour


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("seen", "least"), [("all", 0.12), *((name, 0.08) for name in _WITHOUT)])
def test_no_two_runs_look_alike(scheme, seen, least):
    matrix = _WITHOUT.get(seen, _SEEN)
    shown = [oklab(by(matrix, linear(colour[scheme]))) for colour in RUNS]
    for (one, left), (other, right) in combinations(enumerate(shown), 2):
        assert dist(left, right) >= least, (one, other)


def test_there_are_no_more_colours_than_are_tested():
    assert f"--s{len(RUNS)}:" not in asset("report.css")
