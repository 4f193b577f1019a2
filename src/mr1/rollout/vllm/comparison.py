"""Does a server see and compute what the trainer does? Measured on prompts, with the weights that each has loaded.

The rollouts send token ids and pixels of the trainer's own. Whoever asks the same server by chat sends words and
pictures: that its template and its processor make the same of them is measured too.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mr1.errors import UserError
from mr1.models.vlm import VLM, chat
from mr1.rollout.vllm.pack import as_tensor, unpacked
from mr1.rollout.vllm.server import FaultError, Server
from mr1.rollout.vllm.trust import ask_scores, score, some_tokens
from mr1.rollout.vllm.wire import scored
from mr1.types import Prompt, Sample

VERSION = "comparison"


@dataclass
class Comparison:
    """What was measured of one server."""

    server: str
    prompts: int
    ids_differ: int
    """Prompts whose token ids aren't those that the server makes of the same chat."""
    pixels: float
    """Largest distance of a pixel value, of those that the server's processor makes from the trainer's; infinite where
    they are of other shapes."""
    gap: float
    """Mean distance of the server's log-probs from the trainer's, by the trainer's ids and pixels, in nats."""
    largest: float
    """The largest such distance."""


def compare(vlm: VLM, server: Server, prompts: Sequence[Prompt], template: str) -> Comparison:
    """Compare a server with a model that has been loaded here.

    Args:
        vlm: the model.
        server: which.
        prompts: made by the model of samples and the template.
        template: the user's turn.

    Raises:
        UserError: it doesn't answer, or not so.
    """
    ids_differ, pixels, gaps = 0, 0.0, []
    try:
        for prompt in prompts:
            rendered = server.render(messages(prompt.sample, template))
            ids_differ += rendered["token_ids"] != prompt.input_ids.tolist()
            pixels = max(pixels, _pixel_distance(prompt, rendered))
            tokens = some_tokens(vlm, server, prompt, VERSION)
            theirs = ask_scores(vlm, server, scored(prompt, tokens), tokens, VERSION)
            gaps.append((theirs - score(vlm, prompt, tokens)).abs())
    except (FaultError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"--server: {server} {error}") from error
    each = [float(gap.mean()) for gap in gaps]
    return Comparison(
        server=server.url,
        prompts=len(prompts),
        ids_differ=ids_differ,
        pixels=pixels,
        gap=sum(each) / len(each),
        largest=max(float(gap.max()) for gap in gaps),
    )


def messages(sample: Sample, template: str) -> list[dict[str, Any]]:
    """A sample's chat as OpenAI's API has it, with its images in it, lossless."""
    images = iter(sample.images)
    said = []
    for message in chat(sample, template):
        parts = [
            {"type": "image_url", "image_url": {"url": _address(next(images))}} if part["type"] == "image" else part
            for part in message["content"]
        ]
        said.append({**message, "content": parts})
    return said


def _address(image: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _pixel_distance(prompt: Prompt, rendered: Any) -> float:
    """The largest; 0 without an image."""
    if not prompt.vision:
        return 0.0
    items = [unpacked(base64.b64decode(each)) for each in rendered["features"]["kwargs_data"]["image"]]
    sizes = prompt.vision["image_grid_thw"].prod(-1).tolist()
    distance = 0.0
    for item, own in zip(items, prompt.vision["pixel_values"].split(sizes), strict=True):
        theirs = as_tensor(item["pixel_values"]["data"])
        if theirs.shape != own.shape or not theirs.is_floating_point():
            return float("inf")
        distance = max(distance, float((theirs - own.to(theirs.dtype)).abs().max()))
    return distance
