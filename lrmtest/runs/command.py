"""The command that asked a run, so that some of its questions can be asked again.

The manifest keeps, for each suite, the tests that ask it and the options they were given, as in
the command that asked it last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lrmtest.errors import UsageError
from lrmtest.masking import MASK
from lrmtest.models.engines.kinds import can_generate
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.outcomes import QuestionKey


def pytest_ids(manifest: Manifest, key: QuestionKey) -> list[str]:
    """What to give pytest to run a question's tests, ``suites/aime/test_aime.py::test_aime[1]``.

    Empty when the run does not say which tests asked it, as one of an older lrmtest.
    """
    suite, question_id = key
    # As pytest writes ids: everything that is not printable ASCII by its code.
    name = question_id.encode("unicode_escape").decode("ascii")
    return [f"{test}[{name}]" for test in manifest.suite(suite).tests or ()]


def can_be_rerun(manifest: Manifest) -> bool:
    """Whether there is a model to ask again; recorded outputs have none."""
    return can_generate(manifest.model.engine or "")


def rerun_arguments(
    run_id: str,
    manifest: Manifest,
    keys: Iterable[QuestionKey],
    extra: Sequence[str] = (),
) -> list[list[str]]:
    """The arguments of pytest that ask questions anew at the run's own settings.

    Args:
        run_id: the run's name, for messages.
        manifest: the run's.
        keys: the questions.
        extra: further arguments, which prevail.

    Returns:
        One list for each set of options that the questions' suites were asked with.

    Raises:
        UsageError: the model cannot be asked again, or the run does not say how it was asked, or
            a secret that it was asked with is not kept.
    """
    if not can_be_rerun(manifest):
        raise UsageError(
            f"run {run_id} is of recorded outputs: there is no model to ask again",
            hint="`lrmtest regrade` grades them anew; for new outputs run the suite with the model",
        )
    by_options: dict[tuple[str, ...], list[str]] = {}
    for key in keys:
        suite = manifest.suite(key[0])
        tests, options = pytest_ids(manifest, key), suite.options
        if not tests or not options:
            raise UsageError(
                f"run {run_id} does not say how suite {key[0]!r} was asked",
                hint="it was made by an older lrmtest; select by id: "
                f"pytest SUITE --model {manifest.model.name} -k '[{key[1]}]'",
            )
        if any(MASK in option for option in options):
            raise UsageError(
                f"run {run_id} was asked with a secret, in a URL or an argument, that is not kept",
                hint=f"give pytest the command that made it, with --regenerate and -k '[{key[1]}]'",
            )
        samples = ("--samples", str(1 if suite.samples is None else suite.samples))
        by_options.setdefault((*options, *samples), []).extend(tests)
    return [
        [*_found_by(tests), *options, "--regenerate", *extra]
        for options, tests in by_options.items()
    ]


def is_packaged(test: str) -> bool:
    """Whether a test is one of the package's own, whose id names a module and no file."""
    return test.startswith("lrmtest.suites.")


def _found_by(tests: list[str]) -> list[str]:
    """The tests, with what pytest needs to find the package's among them; files it finds too."""
    return ["--pyargs", *tests] if any(map(is_packaged, tests)) else tests
