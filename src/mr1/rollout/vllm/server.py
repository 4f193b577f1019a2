"""One vLLM server over HTTP. What may pass is a `FaultError`; what no later request will change is a `RolloutError`."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mr1.errors import RolloutError

TESTED = "0.32.0"
"""vLLM's version that this is written for, and run with."""
GENERATE = "/inference/v1/generate"
ROUTES = "start it by `mr1 serve MODEL`, or `vllm serve` with the options that `mr1 serve MODEL --show` prints"
HEADERS = {"Content-Type": "application/json"}
HELLO = 5.0
"""Seconds in which a server that is alive says so."""


class FaultError(Exception):
    """Why a server did not answer, in words behind its address; it may do so later, and another one may now."""


class Server:
    """A vLLM server, and what is known of it."""

    def __init__(self, url: str, timeout: float) -> None:
        """Ask nothing yet.

        Args:
            url: such as http://localhost:8000.
            timeout: seconds for an answer.
        """
        self.url, self.timeout = url.rstrip("/"), timeout
        self.version: str | None = None
        """Of the weights that it was given, and compared with; None where it has to be given them."""
        self.fault = ""
        """Why nothing is asked of it; empty where it may be."""
        self.running = 0
        """Requests that are under way."""
        self.faults = 0
        """How often it has failed since it last answered."""
        self.next_look = 0.0
        """When it is looked at again."""

    def __str__(self) -> str:
        return self.url

    def generate(self, body: dict[str, Any]) -> Any:
        """Completions, or scores. Raises FaultError, or RolloutError for what the server refuses."""
        return self._call(GENERATE, body)

    def other_version(self) -> str:
        """vLLM's, where it is not the one that this is written for; else empty. Raises FaultError."""
        found = str((self._call("/version", None) or {}).get("version", "unknown"))
        return "" if found.partition("+")[0] == TESTED else found

    def take_weights(self, folder: Path, version: str) -> None:
        """Let the server read its weights from a folder of safetensors, and call them by their version."""
        arguments = {"method": "reload_weights", "kwargs": {"weights_path": str(folder)}}
        self._call("/collective_rpc", arguments)
        # What was made by other weights is kept under other names (`wire.body`); here its memory is freed.
        for cache in ("prefix", "mm", "encoder"):
            self._call(f"/reset_{cache}_cache", {})
        self._call("/update_weight_version", {"new_version": version})

    def render(self, messages: list[dict[str, Any]]) -> Any:
        """What the server itself makes of a chat: token ids and image tensors."""
        models = self._call("/v1/models", None)
        request = {"model": models["data"][0]["id"], "messages": messages, "max_tokens": 1}
        return self._call("/v1/chat/completions/render", request)

    def is_up(self) -> bool:
        """Whether it says so within a few seconds."""
        try:
            self._call("/health", None, HELLO)
        except (FaultError, RolloutError):
            return False
        return True

    def _call(self, path: str, body: dict[str, Any] | None, timeout: float | None = None) -> Any:
        """POST a body, or GET where there is none; no proxy stands between.

        Raises:
            FaultError: no answer, or one that can't be read.
            RolloutError: a refusal.
        """
        limit = timeout or self.timeout
        try:
            status, said = self._asked(path, None if body is None else json.dumps(body), limit)
            if status == HTTPStatus.OK:
                return json.loads(said) if said else None
        except TimeoutError:
            raise FaultError(f"gave no answer within {limit:g} s (rollout.timeout)") from None
        except (OSError, HTTPException) as error:
            raise FaultError(f"can't be reached ({type(error).__name__}: {error})") from None
        except ValueError as error:
            raise FaultError(f"gave an answer that can't be read ({error})") from None
        raise self._refused(path, status, said)

    def _asked(self, path: str, body: str | None, limit: float) -> tuple[int, bytes]:
        """The status and the body of an answer."""
        address = urlsplit(self.url)
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = kind(address.netloc, timeout=limit)
        try:
            connection.request("GET" if body is None else "POST", address.path + path, body, HEADERS)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _refused(self, path: str, status: int, said: bytes) -> Exception:
        words = " ".join(said.decode(errors="replace").split())[:300]
        if status in (408, 429) or status >= 500:
            return FaultError(f"failed with {status}: {words}")
        if status in (403, 404, 405):
            return RolloutError(f"rollout.servers: {self.url} has no {path} ({status}: {words}); {ROUTES}")
        return RolloutError(f"rollout.servers: {self.url} refuses {path} ({status}: {words})")
