"""The options that choose how an engine works: the same for pytest and for `lrmtest serve`."""

from __future__ import annotations

import argparse
from dataclasses import replace

from lrmtest.errors import UsageError
from lrmtest.grading.completion import FinishReason
from lrmtest.grading.forms import BY_NAME, Tags
from lrmtest.models.engines.options import COLUMN, EngineOptions
from lrmtest.models.request_fields import RequestField, read_request_field
from lrmtest.options.common import AddOption, at_least_0, at_least_1, number

_MOST_COLUMN = 200
"""Characters of a column's name."""


def add_server_options(add: AddOption) -> None:
    """Add the options that shape a server which lrmtest starts, for `read_server_options`."""
    _add_launch_options(add)
    _add_traces_option(add)


def _add_launch_options(add: AddOption) -> None:
    add(
        "--concurrency",
        type=at_least_1,
        metavar="N",
        help="most completions generated at once (default: the engine's choice)",
    )
    _add_dtype_option(add)
    add(
        "--engine-arg",
        action="append",
        default=[],
        metavar="ARG",
        help="further argument for a server that lrmtest starts, passed on untouched; repeat it",
    )
    add(
        "--engine-env",
        action="append",
        default=[],
        metavar="NAME",
        help="further variable of the environment that a server which lrmtest starts is given; "
        "repeat it",
    )
    add(
        "--tensor-parallel",
        type=at_least_1,
        metavar="N",
        help="GPUs that share each layer (vLLM; default: as few as the weights need)",
    )
    add(
        "--pipeline-parallel",
        type=at_least_1,
        default=1,
        metavar="N",
        help="groups of GPUs that share the layers between them (vLLM)",
    )
    add(
        "--data-parallel",
        type=at_least_1,
        default=1,
        metavar="N",
        help="copies of the model, each with GPUs of its own (vLLM)",
    )
    _add_trust_option(add)


def _add_dtype_option(add: AddOption) -> None:
    add(
        "--dtype",
        default="auto",
        choices=("auto", "float32", "bfloat16", "float16"),
        help="weights' type; for vllm and in-process engines",
    )


def _add_trust_option(add: AddOption) -> None:
    add(
        "--trust-remote-code",
        action="store_true",
        help="run Python code that comes with a checkpoint",
    )


def _add_traces_option(add: AddOption) -> None:
    add(
        "--traces",
        action="store_true",
        help="keep completions token by token, as far as the engine tells them: ids, and how "
        "probable each token was when it was drawn",
    )


def add_reader_options(add: AddOption) -> None:
    """Add the options of an engine that reads, for `read_reader_options`."""
    _add_launch_options(add)
    _add_device_option(add)
    _add_served_model_option(add)


def read_reader_options(option: argparse.Namespace) -> EngineOptions:
    """What an engine takes that reads, from the parsed options."""
    return replace(
        _read_launch_options(option), device=option.device, served_model=option.served_model
    )


def add_weights_options(add: AddOption) -> None:
    """Add what says how weights are loaded here, for `read_weights_options`."""
    _add_device_option(add)
    _add_dtype_option(add)
    _add_trust_option(add)


def read_weights_options(option: argparse.Namespace) -> EngineOptions:
    """How weights are loaded here, from the parsed options."""
    return EngineOptions(
        device=option.device, dtype=option.dtype, trust_remote_code=option.trust_remote_code
    )


def _add_device_option(add: AddOption) -> None:
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N; for in-process engines")


def _add_served_model_option(add: AddOption) -> None:
    add(
        "--served-model", metavar="NAME", help="the model's name on an endpoint that serves several"
    )


def add_engine_options(add: AddOption) -> None:
    """Add the options that `read_engine_options` reads, those of a server included."""
    add_server_options(add)
    add(
        "--request-timeout",
        type=number(float, "a number above 0", lambda t: t > 0),
        default=600.0,
        metavar="SECONDS",
        help="longest silence of an endpoint before a request is tried again (default: 600)",
    )
    add(
        "--request-deadline",
        type=number(float, "a number above 0", lambda t: t > 0),
        metavar="SECONDS",
        help="time of a request in all, its retries included (default: 4 times --request-timeout, "
        "and 2 seconds for each token of its budget)",
    )
    add(
        "--max-retries",
        type=at_least_0,
        default=6,
        metavar="N",
        help="tries after the first for overload, server errors and broken connections "
        "(default: 6)",
    )
    _add_device_option(add)
    add(
        "--tokenizer",
        metavar="PATH",
        help="tokenizer that counts tokens where the engine does not: folder, GGUF or hub name",
    )
    add_finish_reason_option(add)
    _add_served_model_option(add)
    add(
        "--request-field",
        action="append",
        default=[],
        type=_request_field,
        metavar="[MODEL:]KEY=JSON",
        help="further field of every request, merged into those of the model's card; null takes "
        "one out, MODEL: limits it to one model; repeat it",
    )
    add(
        "--reasoning-tags",
        metavar="TAGS",
        help="how the model marks its reasoning: 'OPEN CLOSE', or the name of a known form such "
        "as harmony (default: by its card, its chat template, or what its texts show)",
    )
    add(
        "--no-loop-stop",
        action="store_true",
        help="let completions run on whose tail has provably become periodic",
    )
    add(
        "--max-restarts",
        type=at_least_0,
        default=2,
        metavar="N",
        help="how often a server that lrmtest started is started again when it dies (default: 2)",
    )


def add_finish_reason_option(add: AddOption) -> None:
    """Add ``--finish-reason``."""
    add(
        "--finish-reason",
        type=_finish_reason,
        metavar="stop|length|column:NAME",
        help="how texts that were generated earlier ended: by themselves or at their token limit, "
        "where nothing beside them says it; or the field of each row that says it, in any word "
        "that servers have for it, as in column:stop_reason (default: their end is unknown)",
    )


def read_finish_reason(text: str | None) -> tuple[FinishReason | None, str]:
    """The finish reason of all texts, and the column that holds each one's; one of the two."""
    if text is not None and text.startswith(COLUMN):
        return None, text.removeprefix(COLUMN)
    told: dict[str | None, FinishReason] = {"stop": "stop", "length": "length"}
    return told.get(text), ""


def _finish_reason(text: str) -> str:
    column = text.removeprefix(COLUMN) if text.startswith(COLUMN) else ""
    if text in ("stop", "length") or 0 < len(column) <= _MOST_COLUMN:
        return text
    raise argparse.ArgumentTypeError(f"{text!r:.80} is none of stop, length and column:NAME")


def _request_field(text: str) -> RequestField:
    try:
        return read_request_field(text)
    except UsageError as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise argparse.ArgumentTypeError(f"{error.message}{hint}") from None


def read_server_options(option: argparse.Namespace) -> EngineOptions:
    """What shapes a server, from the parsed options; the rest is at its defaults."""
    return replace(_read_launch_options(option), traces=option.traces)


def _read_launch_options(option: argparse.Namespace) -> EngineOptions:
    return EngineOptions(
        concurrency=option.concurrency,
        dtype=option.dtype,
        trust_remote_code=option.trust_remote_code,
        engine_args=tuple(option.engine_arg),
        program_variables=tuple(option.engine_env),
        tensor_parallel=option.tensor_parallel,
        pipeline_parallel=option.pipeline_parallel,
        data_parallel=option.data_parallel,
    )


def read_engine_options(option: argparse.Namespace) -> EngineOptions:
    """What engines take, from the parsed options."""
    return replace(
        read_server_options(option),
        request_timeout=option.request_timeout,
        request_deadline=option.request_deadline,
        max_retries=option.max_retries,
        device=option.device,
        tokenizer=option.tokenizer,
        budget=option.max_tokens,
        traces=option.traces or option.save_traces is not None,
        finish_reason=read_finish_reason(option.finish_reason)[0],
        finish_column=read_finish_reason(option.finish_reason)[1],
        served_model=option.served_model,
        reasoning_tags=_tags(option.reasoning_tags),
        request_fields=tuple(option.request_field),
        stop_loops=not option.no_loop_stop,
        max_restarts=option.max_restarts,
    )


def _tags(text: str | None) -> Tags:
    """Reasoning tags as the user writes them.

    Raises:
        UsageError: neither two tags nor a known name.
    """
    match (text or "").split():
        case []:
            return ()
        case [name] if name in BY_NAME:
            return (name,)
        case [opening, closing]:
            return (opening, closing)
    raise UsageError(
        f"--reasoning-tags {text!r}: neither an opening and a closing tag nor a known form",
        hint=f"--reasoning-tags '[THINK] [/THINK]', or one of {', '.join(BY_NAME)}",
    )
