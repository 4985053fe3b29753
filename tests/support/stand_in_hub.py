"""A small server that answers as the hub does, for datasets."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
"""What ``main`` stands for."""


class Hub(ThreadingHTTPServer):
    """Serves `files` by (repository, path); a repository in `gated` wants its token."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = {}
        self.commits = {COMMIT}
        self.gated = {}
        self.refused = {}
        self.broken = set()
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # heads and bodies are written in two pieces

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        hub = self.server
        hub.requests.append((self.command, self.path))
        if self.path.startswith("/api/"):
            return self.tell()
        # /datasets/OWNER/NAME/resolve/REVISION/PATH
        _, _, owner, name, _, revision, path = self.path.split("/", 6)
        repo = f"{owner}/{name}"
        token = hub.gated.get(repo)
        if token and self.headers.get("Authorization") != f"Bearer {token}":
            known = self.headers.get("Authorization")
            return self.fail(403 if known else 401, "GatedRepo", "Access is restricted")
        if repo in hub.refused:
            return self.fail(*hub.refused[repo])
        if repo not in {repo for repo, _ in hub.files}:
            return self.fail(401, "RepoNotFound", "Invalid username or password.")
        commit = COMMIT if revision == "main" else revision
        if commit not in hub.commits:
            return self.fail(404, "RevisionNotFound", "Invalid rev id")
        if (repo, path) not in hub.files:
            return self.fail(404, "EntryNotFound", "Entry not found")
        data = hub.files[repo, path]
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data[: len(data) // 2] if repo in hub.broken else data)
            if repo in hub.broken:
                self.close_connection = True
        return None

    def tell(self):
        """What a dataset has; the hub says it of gated ones, too."""
        hub = self.server
        # /api/datasets/OWNER/NAME/revision/REVISION
        _, _, _, owner, name, _, revision = self.path.partition("?")[0].split("/", 6)
        repo = f"{owner}/{name}"
        names = sorted(path for of, path in hub.files if of == repo)
        if repo in hub.refused:
            return self.fail(*hub.refused[repo])
        if not names:
            return self.fail(401, "RepoNotFound", "Invalid username or password.")
        commit = COMMIT if revision == "main" else revision
        if commit not in hub.commits:
            return self.fail(404, "RevisionNotFound", "Invalid rev id")
        siblings = [{"rfilename": name} for name in names]
        body = json.dumps({"id": repo, "sha": commit, "siblings": siblings}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def fail(self, status, code, message):
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args):
        pass


@contextmanager
def running_hub():
    """The server, while the block runs."""
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def environment(hub, folder):
    """What tells a process of its own to ask this hub, and to keep its cache in `folder`."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(folder),
        "HF_HUB_ETAG_TIMEOUT": "3",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "no_proxy": "127.0.0.1",
    }


def asked_in_a_process(script, *words, env):
    """What a script prints as JSON, in a process that knows of no other hub."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        env=inherited | env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
