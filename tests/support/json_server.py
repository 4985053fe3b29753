"""A server that answers with JSON, or with events as a stream of completions has them."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class JsonHandler(BaseHTTPRequestHandler):
    """What the handlers of made-up servers share; each says what it answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # heads and bodies are written in two pieces

    def log_message(self, *args):
        pass

    def content(self):
        """The request's body."""
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def send(self, status, value):
        """Answer with a value, or with a list of them as events."""
        events = isinstance(value, list)
        body = (
            "".join(f"data: {json.dumps(one)}\n\n" for one in value) + "data: [DONE]\n\n"
            if events
            else json.dumps(value)
        ).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if events else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # whoever asked may have gone
            self.wfile.write(body)

    def send_known(self, answers):
        """Answer with what there is of this path."""
        known = self.path in answers
        self.send(200 if known else 404, answers.get(self.path, {}))


@contextmanager
def serving(handler):
    """The base URL of a server with this handler."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
