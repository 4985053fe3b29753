"""The door for compression methods: a method's description, its input and its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal, cast

from lrmtest.compress.figures import Pruned
from lrmtest.compress.options import Option
from lrmtest.compress.protect import Protection
from lrmtest.errors import ModelError, UsageError
from lrmtest.models.engines.tokenizers.checkpoint_files import quiet
from lrmtest.models.gguf.to_safetensors import gguf_to_safetensors
from lrmtest.models.spec import ModelSpec
from lrmtest.progress import LayersDone, Tell


@dataclass(frozen=True, slots=True)
class CompressionTask:
    """What a method is given: a model, and where its variant is to be written.

    Attributes:
        method: the method's name, for a maker of several.
        parent: the model; its location is a folder with safetensors or a GGUF file.
        folder: where the variant is written; there, and empty.
        scratch: a folder for what is not to stay.
        options: by name, every option of the method that was given or has a default.
        protection: what is to stay as it is.
        texts: for calibration, rendered by the chat template, to be tokenized without adding
            special tokens; None where nothing is calibrated.
        tokens: most tokens of a text; 0 where nothing is calibrated.
        tokenizer: the model's, of transformers; None where nothing is calibrated.
        tell: receives a line for the user about something that may take long.
        progress: receives how many layers are done, and how many there are.
    """

    method: str
    parent: ModelSpec
    folder: Path
    scratch: Path
    options: Mapping[str, Any]
    protection: Protection
    texts: tuple[str, ...] | None
    tokens: int
    tokenizer: Any
    tell: Tell
    progress: LayersDone

    def safetensors(self) -> Path:
        """The model as a folder with safetensors: its own, or a GGUF file's weights unpacked.

        Raises:
            ModelError: the GGUF file cannot be unpacked.
        """
        source = Path(self.parent.location)
        if source.is_dir():
            return source
        self.tell(f"unpacking {source.name}")
        with quiet():
            return gguf_to_safetensors(source, self.scratch / "parent", dtype="bfloat16")

    def sequences(self) -> list[list[int]]:
        """The calibration texts as tokens, at most `tokens` of each."""
        return [
            self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids[: self.tokens]
            for text in self.texts or ()
        ]


@dataclass(frozen=True, slots=True)
class CompressionResult:
    """What a method says of the variant that it has written.

    Attributes:
        note: one line for the variant's card.
        bits_per_weight: over all weights; None to have the written files measured.
        sparsity: share of the compressed matrices' weights that are zero.
        label: what the card calls the method; empty for its name.
        notes: what people should know, one sentence each.
        pruned: what became of each matrix, for a table and the record; None for neither.
    """

    note: str
    bits_per_weight: float | None = None
    sparsity: float = 0.0
    label: str = ""
    notes: tuple[str, ...] = ()
    pruned: Pruned | None = None


Maker = Callable[[CompressionTask], CompressionResult]


def _nothing(options: Mapping[str, Any]) -> None:
    pass


@dataclass(frozen=True, slots=True)
class CompressionMethod:
    """A way of compressing a model.

    Attributes:
        name: for ``--method``.
        family: the heading of its options in ``--help``.
        make: writes a variant; raises `LrmtestError` where it cannot. Either itself or as
            ``module:function``, so that the module is imported only when a variant is made.
        options: those that it takes.
        check: raises UsageError where the options, by name, do not go together; is called before
            any work is done.
        calibrated: whether it reads calibration texts.
        calibration_switch: name of the switch among its options that turns this off; empty for
            none.
        protects: whether it heeds ``--protect``.
        makes: a folder with safetensors, or one GGUF file in the folder.
        engine: that its variants run on by default; empty for the parent's where that takes
            safetensors.
        install: what to give pip where an import fails.
    """

    name: str
    family: str
    make: Maker | str
    options: tuple[Option, ...] = ()
    check: Callable[[Mapping[str, Any]], None] = _nothing
    calibrated: bool = True
    calibration_switch: str = ""
    protects: bool = True
    makes: Literal["safetensors", "gguf"] = "safetensors"
    engine: str = ""
    install: str = "lrmtest[cpu]"

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values of its options by name, defaults included.

        Args:
            given: values by name; None for an option that was not given.

        Raises:
            UsageError: an option is missing, or they do not go together.
        """
        values = {}
        for option in self.options:
            value = given.get(option.name)
            if value is None and option.required:
                raise UsageError(
                    f"--method {self.name} needs {option.flag}",
                    hint=f"{option.flag} {option.example or option.metavar}",
                )
            values[option.name] = option.default if value is None else value
        self.check(values)
        return values

    def reads_texts(self, options: Mapping[str, Any]) -> bool:
        """Whether it is calibrated with these options."""
        switch = self.calibration_switch
        return self.calibrated and (not switch or bool(options[switch]))

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The method and its options as a variant's record has them: no option without a value."""
        values = {option.setting: options[option.name] for option in self.options}
        said = {name: v for name, v in values.items() if v is not None and v not in ("", [])}
        return {"method": self.name, **said}

    def maker(self) -> Maker:
        """`make`, imported if need be.

        Raises:
            ImportError: what it needs is not installed.
            ModelError: there is no such function.
        """
        if not isinstance(self.make, str):
            return self.make
        try:
            made = resolve_name(self.make)
        except AttributeError as error:
            raise ModelError(
                f"the method {self.name} is to be made by {self.make}: {error}"
            ) from error
        return cast(Maker, made)
