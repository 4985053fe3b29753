"""A checkpoint's tokenizer with its chat template: messages to tokens, tokens to text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from lrmtest.errors import ModelError
from lrmtest.grading.forms import DEFAULT_TAGS, Tags, form_of, part_of_a_mark
from lrmtest.grading.split import split
from lrmtest.models.engines.base import Message
from lrmtest.models.engines.token_counts import reasoning_end
from lrmtest.models.engines.tokenizers.checkpoint_files import (
    first_line,
    pretrained_arguments,
    quiet,
    unreadable,
)
from lrmtest.models.engines.tokenizers.template_trial import try_template
from lrmtest.unicode import well_formed

_LONGEST_MARK = 400


class ChatTokenizer:
    """Turns messages into prompt tokens and generated tokens into text.

    A tokenizer without a chat template (a base model's) gets a plain prompt: the messages'
    contents, an empty line after each. `details` says so.

    Args:
        tokenizer: a transformers tokenizer.
        tags: what is known of the model's reasoning tags.
        variables: of the chat template, by the user's word.
    """

    def __init__(
        self, tokenizer: Any, tags: Tags, variables: Mapping[str, Any] | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._tags = tags
        self._variables = dict(variables or {})
        self._prompts: dict[tuple[Message, ...], list[int]] = {}
        self._prefilled = False
        self._tried = False
        # Some checkpoints declare the reasoning tags special; they must stay in the text.
        special = set(tokenizer.all_special_ids) | {
            token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special
        }
        self._skipped = {
            i for i in special if not part_of_a_mark(str(tokenizer.convert_ids_to_tokens(i)), tags)
        }

    @classmethod
    def load(
        cls,
        location: str,
        tags: Tags,
        *,
        variables: Mapping[str, Any] | None = None,
        trust_remote_code: bool = False,
    ) -> ChatTokenizer:
        """The tokenizer beside the weights at `location`; reads no weight.

        Raises:
            ModelError: there is no tokenizer, or it cannot be read.
        """
        folder, arguments = pretrained_arguments(location)
        with quiet(gguf="gguf_file" in arguments):
            from transformers import AutoTokenizer

            try:
                tokenizer = AutoTokenizer.from_pretrained(
                    folder, trust_remote_code=trust_remote_code, local_files_only=True, **arguments
                )
            except Exception as error:
                raise unreadable(
                    f"the tokenizer at {location} cannot be read",
                    error,
                    "is tokenizer.json (or the whole GGUF file) there?",
                ) from error
        return cls(tokenizer, tags, variables)

    @property
    def tokenizer(self) -> Any:
        """The transformers tokenizer itself."""
        return self._tokenizer

    @property
    def eos_token_id(self) -> int | None:
        """The token that the tokenizer says ends a turn."""
        token_id: int | None = self._tokenizer.eos_token_id
        return token_id

    @property
    def details(self) -> dict[str, Any]:
        """What the manifest keeps of it; complete once the planned prompts were encoded.

        ``prefilled_opening_tag``: a prompt ended in the opening reasoning tag, so that the
        completions have only the closing one.
        """
        template = self._tokenizer.chat_template
        if template is None:
            return {"chat_template": "none: plain prompt", "prefilled_opening_tag": False}
        return {
            "chat_template_sha256": hashlib.sha256(str(template).encode()).hexdigest(),
            "prefilled_opening_tag": self._prefilled,
        }

    def try_template(self, conversations: Iterable[tuple[Message, ...]]) -> None:
        """See, in a process of its own, that the chat template comes to an end on these.

        Raises:
            ModelError: it does not.
        """
        self._tried = True
        template = self._tokenizer.chat_template
        if isinstance(template, str):
            tokens = self._tokenizer.special_tokens_map
            named = {name: str(token) for name, token in tokens.items() if not _is_list(token)}
            try_template(template, dict.fromkeys(conversations), {**named, **self._variables})

    def encode(self, messages: tuple[Message, ...]) -> list[int]:
        """The prompt's tokens; equal messages are rendered once.

        Raises:
            ModelError: the chat template refuses these messages.
        """
        tokens = self._prompts.get(messages)
        if tokens is None:
            tokens = self._prompts[messages] = self._encode(messages)
        return tokens

    def _encode(self, messages: tuple[Message, ...]) -> list[int]:
        text = self.render(messages)
        self._prefilled |= _ends_in_opening(text, self._tags)
        # A template writes the special tokens itself; a second <s> would shift the model.
        has_template = self._tokenizer.chat_template is not None
        tokens: list[int] = self._tokenizer(
            well_formed(text), add_special_tokens=not has_template, verbose=False
        ).input_ids
        return tokens

    def render(self, messages: tuple[Message, ...]) -> str:
        """The prompt as text, with the special tokens that the chat template writes.

        Raises:
            ModelError: the chat template refuses these messages.
        """
        if self._tokenizer.chat_template is None:
            return "".join(f"{m.content}\n\n" for m in messages)
        if not self._tried:
            self.try_template([messages])
        turns = [{"role": m.role, "content": m.content} for m in messages]
        try:
            text: str = self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, **self._variables
            )
        except Exception as error:
            raise ModelError(
                f"the model's chat template refuses the prompt: {first_line(error)}"
            ) from error
        return text

    def decode(self, tokens: list[int]) -> str:
        """The text of generated tokens: without special ones, but with the reasoning tags."""
        kept = [token for token in tokens if token not in self._skipped]
        text: str = self._tokenizer.decode(kept, skip_special_tokens=False)
        return text

    def reasoning_tokens(self, tokens: list[int], text: str) -> int:
        """How many of the generated `tokens` come up to and including the closing tag.

        All of them when the reasoning was opened, by the model or by the chat template, and
        never closed; none when there is no reasoning.

        Args:
            tokens: what was generated.
            text: `tokens` decoded.
        """
        parts = split(text, self._tags)
        if not parts.closed:
            return len(tokens) if parts.opened or self._prefilled else 0
        end = reasoning_end(text, self._tags, "stop")
        low, high = 0, len(tokens)  # the first so many tokens whose text reaches `end`
        while low < high:
            middle = (low + high) // 2
            if len(self.decode(tokens[:middle])) < end:
                low = middle + 1
            else:
                high = middle
        return low


def _ends_in_opening(prompt: str, tags: Tags) -> bool:
    """Whether the last that a prompt has is an opening tag."""
    end = prompt.rstrip()[-_LONGEST_MARK:]
    form = form_of(tags) or form_of(DEFAULT_TAGS)
    assert form is not None
    return any(m.lastgroup == "o" and m.end() == len(end) for m in form.marks.finditer(end))


def _is_list(token: Any) -> bool:
    return isinstance(token, list | tuple)
