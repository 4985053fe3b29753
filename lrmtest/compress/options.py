"""Options of compression methods, as values: a command line is made of them, and a sweep.

Those here may be taken by any method; a method from outside may bring further ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a method.

    Attributes:
        name: a Python identifier; ``group_size`` is ``--group-size`` on the command line.
        help: what ``--help`` says of it.
        metavar: what stands there for its value.
        type: ``str``, ``int``, ``float``, or ``bool`` for a switch with a ``--no-`` form.
        allowed: whether a number can be meant; None for any.
        wanted: what numbers are `allowed`, for an error: "an integer of at least 1".
        default: its value where it is not given; None leaves it out.
        required: whether it must be given.
        example: a value, for a hint.
        repeated: whether it may be given several times; its value is then a list.
        axis: what a sweep over it varies; empty if it cannot be swept.
        levels: several values, for a hint.
        noun: what a switch turns on: "an importance matrix".
    """

    name: str
    help: str
    metavar: str = "VALUE"
    type: Callable[[str], Any] = str
    allowed: Callable[[Any], bool] | None = None
    wanted: str = ""
    default: Any = None
    required: bool = False
    example: str = ""
    repeated: bool = False
    axis: Literal["", "sparsity", "bits per weight"] = ""
    levels: str = ""
    noun: str = ""

    @property
    def flag(self) -> str:
        """As it is written: ``--group-size``."""
        return f"--{self.setting}"

    @property
    def setting(self) -> str:
        """Its name in a variant's record: ``group-size``."""
        return self.name.replace("_", "-")

    def reads_like(self, other: Option) -> bool:
        """Whether the same words mean the same to both, so that one flag can be either."""
        return (self.type, self.allowed, self.repeated) == (
            other.type,
            other.allowed,
            other.repeated,
        )


SPARSITY = Option(
    "sparsity",
    "share of each matrix that becomes zero",
    metavar="SHARE",
    type=float,
    axis="sparsity",
    levels="0.3,0.5,0.7",
)
PATTERN = Option("pattern", "2:4 or 4:8, in place of --sparsity", metavar="N:M")
TYPE = Option(
    "type",
    "llama-quantize's type, such as Q4_K_M or IQ2_XXS",
    metavar="TYPE",
    axis="bits per weight",
    levels="Q8_0,Q4_K_M,Q2_K",
)
TENSOR = Option(
    "tensor",
    "another type for some tensors; repeat it: the first that matches decides",
    metavar="PATTERN=TYPE",
    repeated=True,
)
RECIPE = Option("recipe", "a named set of types, such as dynamic-1.58", metavar="NAME")
IMATRIX = Option(
    "imatrix",
    "compute an importance matrix on the calibration texts (default: yes)",
    type=bool,
    default=True,
    noun="an importance matrix",
)
BITS = Option(
    "bits",
    "bits of a weight",
    metavar="N",
    type=int,
    allowed=lambda bits: bits >= 1,
    wanted="an integer of at least 1",
    required=True,
    example="4",
    axis="bits per weight",
    levels="8,4,3",
)
GROUP_SIZE = Option(
    "group_size",
    "weights that share a scale, -1 for a whole row (default: 128)",
    metavar="N",
    type=int,
    allowed=lambda size: size >= 1 or size == -1,
    wanted="an integer of at least 1, or -1",
    default=128,
)
