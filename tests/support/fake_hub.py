"""A small server that speaks the hub's API for one repository; HF_ENDPOINT names it."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """One repository at one commit; counts requests.

    Attributes:
        files: its files, the bytes by the path.
        repo, commit: what it is called, and where its main branch is.
        status, error_code: of every answer.
        requests: the paths that were asked for.
    """

    def __init__(self):
        self.files = {}
        self.repo, self.commit = "org/model", COMMIT
        self.status = 200
        self.error_code = ""
        self.requests = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # heads and bodies are written in two pieces

            def do_HEAD(self):
                self.answer(body=False)

            def do_GET(self):
                self.answer(body=True)

            def answer(self, *, body):
                path = unquote(urlsplit(self.path).path)
                hub.requests.append(path)
                data, headers = hub.reply(path)
                self.send_response(hub.status if data is not None else 404)
                for key, value in headers.items():
                    self.send_header(key, value)
                if hub.error_code:
                    self.send_header("X-Error-Code", hub.error_code)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                if body and data:
                    self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reply(self, path):
        if self.status != 200:
            return b"", {}
        if path.startswith(f"/api/models/{self.repo}/tree/"):
            return self.json([self.entry(name) for name in self.files])
        if path.startswith(f"/api/models/{self.repo}"):
            siblings = [{"rfilename": name} for name in self.files]
            return self.json({"id": self.repo, "sha": self.commit, "siblings": siblings})
        prefix = f"/{self.repo}/resolve/{self.commit}/"
        data = self.files.get(path.removeprefix(prefix)) if path.startswith(prefix) else None
        if data is None:
            return None, {"X-Error-Code": "EntryNotFound"}
        etag = f'"{hashlib.sha1(data).hexdigest()}"'
        return data, {"ETag": etag, "X-Repo-Commit": self.commit}

    def entry(self, name):
        data = self.files[name]
        oid = hashlib.sha1(data).hexdigest()
        return {"type": "file", "path": name, "size": len(data), "oid": oid}

    def json(self, value):
        return json.dumps(value).encode(), {"Content-Type": "application/json"}

    def close(self):
        self.server.shutdown()
        self.server.server_close()
