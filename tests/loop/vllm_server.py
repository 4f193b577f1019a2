"""A server on this machine that says what vLLM's says, computed by the bundled model, and fails as a test tells it to.

It takes up weights from the folder that it is told, and scores and samples by them: what it answers is right only where
the client gave it the right tokens, pixels and weights.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from mr1.config import Rollout
from mr1.models.vlm import VLM
from mr1.rollout.local import LocalEngine
from mr1.rollout.vllm.pack import as_tensor, unpacked
from mr1.rollout.vllm.trust import score
from mr1.types import Completion, Prompt, Sample

LOADING = threading.Lock()
"""transformers loads one model at a time."""


class FakeVLLM(ThreadingHTTPServer):
    """See the module."""

    daemon_threads = True

    def __init__(self, tiny: VLM) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.vlm = tiny.frozen_copy()
        self.engine = LocalEngine(self.vlm)
        self.version, self.vllm = "default", "0.32.0+cpu"
        self.lock = threading.Lock()
        self.folders: list[str] = []
        """From which weights were taken."""
        self.prompts: list[list[int]] = []
        """Token ids of all requests for completions."""
        self.deaf = False
        """Whether it says that it took up weights, and doesn't."""
        self.blind = False
        """Whether it sees gray where an image is."""
        self.failures: list[str] = []
        """What happens to the next requests for completions: `hang`, `hang up`, `500`, `garbage`, `cut off`."""
        self.rendered: list[dict[str, Any]] = []
        """What it makes of the chats that come, one after the other."""
        self.chats: list[Any] = []
        """Those chats."""
        self.delay = 0.0
        """Seconds that it takes for a request."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """Whoever hung up has no need of it."""

    def restart(self, tiny: VLM) -> None:
        """Have the first weights again."""
        self.vlm.model.load_state_dict(tiny.model.state_dict())
        self.version = "default"

    def take(self, folder: str) -> None:
        """Weights from an ordinary folder."""
        self.folders.append(folder)
        if not self.deaf:
            with LOADING:
                written: Any = AutoModelForImageTextToText.from_pretrained(folder)
            self.vlm.model.load_state_dict(written.state_dict())

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Tokens out."""
        params, ids = body["sampling_params"], torch.tensor(body["token_ids"])
        prompt = self._prompt(ids, body.get("features"))
        if "prompt_logprobs" in params:
            place = ids.tolist().index(self.vlm.adapter.image_token_id) if prompt.vision else 0
            behind = self._prompt(ids[: len(ids) - 16], body.get("features"))
            scores = score(self.vlm, behind, ids[-16:]).tolist()
            assert place >= 0
            said = [{str(int(token)): {"logprob": each}} for token, each in zip(ids[-16:], scores, strict=True)]
            return {"prompt_logprobs": [None] * (len(ids) - 16) + said, "choices": []}
        self.prompts.append(body["token_ids"])
        length = params["max_tokens"]
        if params["temperature"] == 0:
            made = self.engine.greedy([prompt], length)
        else:
            settings = Rollout(
                group_size=max(params.get("n", 1), 2),
                temperature=params["temperature"],
                top_p=params.get("top_p", 1.0),
                max_new_tokens=length,
            )
            (group,) = self.engine.sample([prompt], settings, (params["seed"], 0))
            made = group.completions[: params.get("n", 1)]
        return {"choices": [self._choice(number, each) for number, each in enumerate(made)]}

    def _choice(self, index: int, made: Completion) -> dict[str, Any]:
        assert made.logprobs is not None
        return {
            "index": index,
            "token_ids": made.token_ids.tolist(),
            "logprobs": {"content": [{"token_id": 0, "logprob": each} for each in made.logprobs.tolist()]},
            "finish_reason": made.finish_reason,
            "stop_reason": None,
            "weight_versions": [{"version": self.version, "start": 0, "end": len(made)}],
        }

    def _prompt(self, ids: torch.Tensor, features: dict[str, Any] | None) -> Prompt:
        vision: dict[str, torch.Tensor] = {}
        if features:
            items = [unpacked(base64.b64decode(each)) for each in features["kwargs_data"]["image"]]
            pixels = torch.cat([as_tensor(item["pixel_values"]["data"]) for item in items])
            grids = torch.stack([as_tensor(item["image_grid_thw"]["data"]) for item in items])
            vision = {"pixel_values": torch.zeros_like(pixels) if self.blind else pixels, "image_grid_thw": grids}
        positions, following = self.vlm.adapter.positions(ids, vision)
        return Prompt(Sample("any", (), "", ""), "", ids, vision, positions, following)


class Handler(BaseHTTPRequestHandler):
    server: FakeVLLM
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        said = {"/version": {"version": self.server.vllm}, "/v1/models": {"data": [{"id": "m"}]}}
        self.say(200, said.get(self.path))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        server = self.server
        if self.path == "/collective_rpc":
            server.take(body["kwargs"]["weights_path"])
            self.say(200, {"results": [None]})
        elif self.path == "/update_weight_version":
            server.version = body["new_version"]
            self.say(200, {})
        elif self.path == "/v1/chat/completions/render":
            server.chats.append(body["messages"])
            self.say(200, server.rendered.pop(0))
        elif self.path == "/inference/v1/generate":
            self.generate(body)
        else:
            self.say(200, None)

    def generate(self, body: dict[str, Any]) -> None:
        server = self.server
        scoring = "prompt_logprobs" in body["sampling_params"]
        with server.lock:
            failure = server.failures.pop(0) if server.failures and not scoring else ""
        if failure == "hang":
            time.sleep(60)
        if failure in ("hang", "hang up"):
            self.close_connection = True
            return
        if failure == "500":
            self.say(500, {"error": "EngineDeadError"})
            return
        time.sleep(server.delay)
        with server.lock:
            answer = server.answer(body)
        if failure == "cut off":
            answer["choices"][0]["finish_reason"] = "abort"
        self.say(200, {"garbage": 1} if failure == "garbage" else answer)

    def say(self, status: int, said: Any) -> None:
        body = b"" if said is None else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@contextmanager
def serving(tiny: VLM) -> Iterator[FakeVLLM]:
    """A server that runs meanwhile."""
    with FakeVLLM(tiny) as made:
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        made.shutdown()
