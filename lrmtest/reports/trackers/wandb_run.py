"""A run in W&B, by its own client."""

from __future__ import annotations

import netrc
import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from lrmtest.reports.trackers.client import client_of, failures_told
from lrmtest.reports.trackers.names import tracker_names
from lrmtest.reports.trackers.tracked_run import COLUMNS, TrackedRun

PROJECT = "lrmtest"
"""Where neither the user nor W&B's own settings name another."""

_LOGINS = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")


def log_to_wandb(run: TrackedRun, project: str | None, report: Path | None) -> list[str]:
    """Write a run to W&B: figures into its summary, the manifest as its config, and a table.

    It goes where W&B's own settings say. Where these name neither a mode nor a login, it stays
    offline, in a folder that ``wandb sync`` sends.

    Args:
        run: what is written.
        project: W&B's; None for that of its own settings, else `PROJECT`.
        report: an HTML file to attach.

    Returns:
        What to tell the user: where the run is, and how it gets to the server.

    Raises:
        UsageError: the client is not installed.
        TrackerError: it has failed.
    """
    wandb = client_of("wandb", "wandb", "write a run to W&B")
    with failures_told("W&B"):
        settings = wandb.setup().settings
        offline = settings.mode == "online" and not _has_login(settings.base_url)
        mode = "offline" if offline else settings.mode
        if mode != "online":
            # The client tells its makers of its own errors otherwise.
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        with wandb.init(
            project=project or settings.project or PROJECT,
            name=run.name,
            job_type="evaluation",
            mode=mode,
            config={**run.tags, "manifest": run.manifest},
            settings=wandb.Settings(console="off", silent=True),
        ) as written:
            written.summary.update({**run.figures, **run.tags})
            rows = [list(row) for row in run.rows]
            written.log({"questions": wandb.Table(columns=list(COLUMNS), data=rows)})
            if report is not None:
                (name,) = tracker_names([f"report-{run.run_id}"]).values()
                artifact = wandb.Artifact(name, type="report")
                artifact.add_file(str(report), name="report.html")
                written.log_artifact(artifact)
            where = str(written.url if mode == "online" else Path(written.dir).parent)
    if mode == "disabled":
        return ["W&B is disabled (WANDB_MODE): nothing was written"]
    if mode == "online":
        return [f"written to W&B: {where}"]
    why = " (no login is known here)" if offline else ""
    return [f"written for W&B, offline{why}: {where}", f"to send it: wandb sync {where}"]


def _has_login(base_url: str) -> bool:
    """A key is in the environment or in the file that ``wandb login`` writes."""
    if any(map(os.environ.get, _LOGINS)):
        return True
    with suppress(OSError, netrc.NetrcParseError):
        file = os.environ.get("NETRC") or str(Path.home() / ".netrc")
        return netrc.netrc(file).authenticators(urlsplit(base_url).netloc) is not None
    return False
