"""The names of lrmtest's options, which every session of pytest has to know.

What they mean is said where each is declared (`lrmtest.options.settings` and what it imports),
and is imported only once one of them is used; a test keeps the two alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GROUP = "lrmtest"

OptionShape = Literal["value", "list", "switch"]
"""Given with a value, with one and several times, or without any."""


@dataclass(frozen=True, slots=True)
class OptionName:
    """One option's names.

    Attributes:
        short: on lrmtest's own command line, such as ``--max-tokens``.
        shape: of what is given with it.
    """

    short: str
    shape: OptionShape

    @property
    def dest(self) -> str:
        """The attribute that holds its value, without a prefix."""
        return self.short.removeprefix("--").replace("-", "_")

    @property
    def long(self) -> str:
        """Its name in any session of pytest."""
        return f"--{GROUP}-{self.short.removeprefix('--')}"

    @property
    def key(self) -> str:
        """Its name in configuration files, and the attribute of pytest's that holds its value."""
        return f"{GROUP}_{self.dest}"


_SWITCHES = (
    *(
        "--regenerate",
        "--fresh-run",
        "--reuse-unverified",
        "--refuse-other-model",
        "--trust-remote-code",
    ),
    *("--no-loop-stop", "--engine-per-worker", "--early-stop", "--allow-missing", "--gate"),
    *("--one-look", "--given-baseline", "--property", "--no-next-steps", "--traces"),
    "--read",
)
_LISTS = (
    *("--model", "--cards", "--prompt-file", "--engine-arg", "--engine-env", "--allow-different"),
    *("--allow-cannot-tell", "--triage", "--request-field"),
)
_VALUES = (
    *("--set", "--engine", "--data-dir", "--fresh-count", "--fresh-seed", "--fresh-difficulty"),
    *("--samples", "--limit", "--seed", "--max-tokens", "--temperature", "--top-p"),
    *("--pass-threshold", "--reports-dir", "--lock-timeout", "--summary-json", "--concurrency"),
    *("--dtype", "--tensor-parallel", "--pipeline-parallel", "--data-parallel", "--device"),
    *("--request-timeout", "--request-deadline", "--max-retries", "--max-restarts", "--tokenizer"),
    *("--finish-reason", "--served-model", "--reasoning-tags", "--baseline", "--save-baseline"),
    *("--max-unknown-ends", "--undecided", "--margin", "--mde", "--alpha", "--power", "--series"),
    *("--rate-margin", "--token-margin", "--token-mde", "--look", "--generations", "--against"),
    *("--html", "--markdown", "--save-traces", "--read-traces", "--drafts"),
    "--drafts-parent",
)

NAMES: tuple[OptionName, ...] = (
    *(OptionName(name, "value") for name in _VALUES),
    *(OptionName(name, "list") for name in _LISTS),
    *(OptionName(name, "switch") for name in _SWITCHES),
)
"""Every option of pytest's plugin."""
