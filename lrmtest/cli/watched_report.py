"""The report of a run that is generated, served on this machine alone and renewed.

There are three addresses: a frame at ``/``, the report at ``/report``, and at ``/state`` a number
that grows when the report is another. The frame asks for the number every few seconds and then
loads the report anew, which keeps the place that was scrolled to and what is selected, since that
is in the report's address. The report is the file that `lrmtest report` writes, with its own
Content-Security-Policy. Nothing else can be asked for, and no request names a file.

Another site that has its own name point to this machine could otherwise read the report from the
browser of whoever visits it (DNS rebinding); so a request must have this address as its Host.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from lrmtest.errors import LrmtestError, MachineryError
from lrmtest.reports.html import report_text
from lrmtest.runs.store import Store

_POLL_SECONDS = 3
_LOOK_SECONDS = 1.0
_SHARE_OF_TIME = 0.1
"""Of a processor's time it makes the report anew at most so much."""
_SECONDS = 10.0
"""That a browser may take to say what it wants."""

_STYLE = "html,body,iframe{margin:0;padding:0;border:0;width:100%;height:100%;display:block}"
_SCRIPT = f"""
const frame = document.getElementById("report");
let shown = null;
async function look() {{
  try {{
    const answer = await fetch("/state", {{cache: "no-store"}});
    const {{version}} = await answer.json();
    if (shown === null) {{
      shown = version;  // before the report is loaded, so that no newer one is taken for it
      frame.src = "/report";
    }} else if (version !== shown) {{
      shown = version;
      const inside = frame.contentWindow;
      const top = inside.scrollY, left = inside.scrollX;
      frame.addEventListener(
        "load", () => frame.contentWindow.scrollTo(left, top), {{once: true}}
      );
      inside.location.reload();
    }}
  }} catch {{}}  // the command has ended; what was shown stays
  setTimeout(look, {_POLL_SECONDS} * 1000);
}}
look();
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_FRAME = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>lrmtest watch</title>'
    f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
    f'<body><iframe id="report" title="report"></iframe><script>{_SCRIPT}</script>'
    "</body></html>"
)
_FRAME_POLICY = (
    f"default-src 'none'; script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}; "
    "frame-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class WatchedReport:
    """Serves the report of a run, from when it is entered until it is left.

    Args:
        store: the run's store.
        run_id: the run.
        port: on 127.0.0.1; 0 for a free one.

    Attributes:
        url: where it is.

    Raises:
        MachineryError: the port cannot be had.
    """

    def __init__(self, store: Path, run_id: str, port: int) -> None:
        self._store = store
        self._run_id = run_id
        self._text = b""
        self._version = 0
        self._ended = threading.Event()
        report = self

        class Handler(_Handler):
            served = report

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise MachineryError(
                f"port {port} of this machine cannot be had: {error.strerror or error}",
                hint="leave it out: --html takes a free one",
            ) from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Self:
        self._renew_now()
        for target, name in ((self._server.serve_forever, "report"), (self._renew, "renewal")):
            threading.Thread(target=target, name=f"lrmtest-{name}", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def wait(self) -> None:
        """Serve until Ctrl-C."""
        while not self._ended.wait(_LOOK_SECONDS):
            pass

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a request may have as its Host."""
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"

    @property
    def text(self) -> bytes:
        """The report as it is now."""
        return self._text

    @property
    def version(self) -> int:
        """Grows with each report that is another."""
        return self._version

    def _renew_now(self) -> None:
        with Store(self._store, create=False, read_only=True) as store:
            record = store.record(store.run(self._run_id))
        text = report_text([record], {}, 0.5).encode("ascii")
        if text != self._text:
            self._text = text
            self._version += 1

    def _renew(self) -> None:
        """On a thread: make it anew when the store has changed, as often as that costs little."""
        cost, last, known = 0.0, time.monotonic(), -1
        store: Store | None = None
        while not self._ended.wait(_LOOK_SECONDS):
            if time.monotonic() - last < cost / _SHARE_OF_TIME:
                continue
            try:
                store = store or Store(self._store, create=False, read_only=True)
                version = store.version()
                if version == known:
                    continue
                began = time.thread_time()  # what others keep it waiting costs nothing
                self._renew_now()
                known, last = version, time.monotonic()
                cost = time.thread_time() - began
            except LrmtestError:
                # The store was moved, or is locked: what was there before is shown.
                store = None
        if store is not None:
            store.close()


class _Handler(BaseHTTPRequestHandler):
    """Answers a browser of this machine."""

    served: WatchedReport
    timeout = _SECONDS
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "lrmtest", ""

    def do_GET(self) -> None:
        """Answer with one of the three."""
        if self.headers.get_all("Host") not in [[host] for host in self.served.hosts]:
            self._answer(421, b"this is another host's address\n", "text/plain")
        elif self.path == "/":
            self._answer(200, _FRAME.encode(), "text/html; charset=utf-8", _FRAME_POLICY)
        elif self.path == "/report":
            policy = "frame-ancestors 'self'"
            self._answer(200, self.served.text, "text/html; charset=utf-8", policy)
        elif self.path == "/state":
            state = json.dumps({"version": self.served.version}).encode()
            self._answer(200, state, "application/json")
        else:
            self._answer(404, b"there is nothing here\n", "text/plain")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is the run's."""

    def _answer(
        self, status: int, content: bytes, kind: str, policy: str = "default-src 'none'"
    ) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Content-Security-Policy", policy),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
