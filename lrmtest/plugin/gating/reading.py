"""`--read` at work: the baseline's traces, read with a session's model."""

from __future__ import annotations

from lrmtest.analysis.certificate import Certificate
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.run_certificate import certify_run, out_of_reach, unlike
from lrmtest.counted import counted
from lrmtest.options.common import cards_here
from lrmtest.options.settings import Settings
from lrmtest.plugin.generation.protocol import GenerationPlan
from lrmtest.progress import Tell
from lrmtest.runs.baseline_traces import as_asked, baseline_traces, files_of_writer
from lrmtest.runs.records import RunRecord
from lrmtest.runs.same_draws import same_draws
from lrmtest.runs.same_tokens import refuse_other_tokens
from lrmtest.runs.store import Store
from lrmtest.runs.trace_reading import ReadingModel, read_traces


def read_baseline_traces(
    settings: Settings,
    store: Store,
    notice: Tell,
    plan: GenerationPlan,
    baseline: RunRecord,
    gate: GateSettings,
    level: float,
) -> Certificate:
    """Read the traces of a baseline with the model of a plan, and see what follows.

    What was read stays in the store, and is not read again. Where nothing could be certified of any
    model, nothing is read.

    Args:
        settings: what the user asked for.
        store: where what is read stays.
        notice: prints one line that must be seen.
        plan: what would be generated.
        baseline: the run that it would be compared with.
        gate: the gate's settings.
        level: the part of 1 - power that this stage may spend.

    Raises:
        UsageError: the traces cannot be read, or not by this model or engine.
        ModelError: the model cannot be read, reached or started.
        DataError, StoreError: the traces are not as they were written.
    """
    options, compared = settings.engine_options, settings.comparison
    asked = list(dict.fromkeys((one.suite, one.question_id) for one in plan.questions))
    candidate = as_asked(plan.manifest, plan.spec, options)
    recipe = plan.spec.card.compression.recipe
    if unlike(baseline, candidate, recipe):
        return certify_run(baseline, candidate, asked, (), {}, gate, level=level, recipe=recipe)
    called = compared.baseline or baseline.run_id
    traces = baseline_traces(baseline, called, store.path, asked, compared.read_traces)
    stakes = same_draws(baseline.manifest, plan.manifest)
    if hopeless := out_of_reach(
        baseline, asked, traces.ended, gate, level=level, for_stakes=stakes
    ):
        return certify_run(baseline, candidate, asked, (), {}, gate, level=level, hopeless=hopeless)
    writers = files_of_writer(traces.model, cards_here(settings.cards))
    note = refuse_other_tokens(plan.spec, traces.written, traces.tokenizer, writers)
    if note:
        notice(note)
    notice(
        f"{plan.spec.name}: reads {counted(len(traces.written), 'trace')} of {baseline.run_id}, "
        f"{counted(traces.tokens, 'token')}, before anything is generated"
    )
    reader = ReadingModel(plan.spec, options)
    done = read_traces(
        store,
        traces.run_id,
        traces.written,
        reader,
        None,
        asked={request.place.question: request.messages for request in plan.requests},
        only_same_prompts=True,
    )
    return certify_run(
        baseline,
        candidate,
        asked,
        store.readings.each(done.reading.reading_id),
        traces.ended,
        gate,
        level=level,
        recipe=recipe,
        prompts=done.prompts,
    )
