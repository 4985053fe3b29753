"""A run in MLflow, by its own client."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from lrmtest.reports.data_text import csv_text
from lrmtest.reports.escape import one_line
from lrmtest.reports.trackers.client import client_of, failures_told
from lrmtest.reports.trackers.names import tracker_names
from lrmtest.reports.trackers.tracked_run import COLUMNS, TrackedRun

EXPERIMENT = "lrmtest"
"""Where neither the user nor MLflow's own settings name another."""

_AT_ONCE = 100
"""Parameters, and figures, that one request takes for sure."""
_VALUE = 500
"""Characters of a parameter's value that every version takes."""
_MOST_PARAMETERS = 300


def log_to_mlflow(run: TrackedRun, experiment: str | None, report: Path | None) -> list[str]:
    """Write a run to MLflow: figures as metrics, the manifest as parameters, and files.

    It goes where MLflow's own settings say. Files: ``summary.json`` as `--summary-json` has it,
    the questions as ``questions.csv`` and as ``questions.json``, in the form of MLflow's tables,
    and the report.

    Args:
        run: what is written.
        experiment: its name; None for that of MLflow's own settings, else `EXPERIMENT`.
        report: an HTML file to attach.

    Returns:
        What to tell the user: where the run is.

    Raises:
        UsageError: the client is not installed.
        TrackerError: it has failed.
    """
    # The client tells its makers how it is used otherwise.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    mlflow = client_of("mlflow", "mlflow", "write a run to MLflow")
    with failures_told("MLflow"):
        client = mlflow.MlflowClient()
        tags = {f"lrmtest.{name}": text for name, text in run.tags.items()}
        made = client.create_run(_experiment(client, experiment), tags=tags, run_name=run.name)
        run_id = made.info.run_id
        try:
            _log(mlflow, client, run_id, run)
            if report is not None:
                client.log_artifact(run_id, str(report))
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id)
        where = one_line(str(mlflow.get_tracking_uri()), 300)
    return [f"written to MLflow: run {run_id} in {where}"]


def _experiment(client: Any, name: str | None) -> str:
    """The experiment's id; it is made where it is not there."""
    if name is None and (told := os.environ.get("MLFLOW_EXPERIMENT_ID")):
        return told
    name = name or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)


def _log(mlflow: Any, client: Any, run_id: str, run: TrackedRun) -> None:
    entities, now = mlflow.entities, int(1000 * time.time())
    figures = [entities.Metric(name, value, now, 0) for name, value in run.figures.items()]
    settings = dict(islice(_leaves("", run.manifest), _MOST_PARAMETERS))
    names = tracker_names(settings)
    parameters = [entities.Param(names[name], text) for name, text in settings.items()]
    for start in range(0, max(len(figures), len(parameters)), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        client.log_batch(run_id, metrics=figures[part], params=parameters[part])
    client.log_dict(run_id, dict(run.document), "summary.json")
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in run.rows]
    client.log_text(run_id, csv_text(COLUMNS, rows), "questions.csv")
    table = {"columns": list(COLUMNS), "data": [list(row) for row in run.rows]}
    client.log_dict(run_id, table, "questions.json")


def _leaves(name: str, value: object) -> Iterator[tuple[str, str]]:
    """The settings in a manifest by the names that lead to them, ``sampling.temperature``."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(f"{name}.{key}" if name else str(key), part)
    elif value is not None:
        yield name, one_line(str(value), _VALUE)
