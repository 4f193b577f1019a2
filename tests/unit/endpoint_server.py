"""A real server on this machine that answers, or fails, as a test tells it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Answers each request with what `script` gives for it next: a text, a status with a header, or a way to fail."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: Callable[[dict[str, Any]], Any] = lambda _: "7"
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.at_once = self.most = 0
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hung up has no need of it."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(body)
            self.server.keys.add(self.headers["Authorization"])
            self.server.at_once += 1
            self.server.most = max(self.server.most, self.server.at_once)
            said = self.server.script(body)
        try:
            self.answer(said)
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    def answer(self, said: Any) -> None:
        if said == "hang up":
            self.close_connection = True
            return
        status, headers, delay = 200, {}, 0.0
        if isinstance(said, tuple):
            status, headers, delay = said
            said = f"the key {self.headers['Authorization']} is wrong" if status != 200 else "7"
        time.sleep(delay)
        made = {"id": "1", "object": "chat.completion", "created": 0, "model": "m"}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
        body = json.dumps(made | {"choices": [choice]} if status == 200 else {"error": {"message": said}})
        body = {"no JSON": "<html>", "no reply": "{}", "a list": "[1]"}.get(said, body)
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if said == "drip":
            for byte in body.encode():
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
        else:
            self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server that runs meanwhile."""
    with Server() as made:
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        made.shutdown()
