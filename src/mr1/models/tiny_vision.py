"""The bundled VLM's vision tower, taught before the language model reads it, as a VLM's tower usually is.

Learning to see through the words of a language model alone takes a model this small tens of thousands of pictures
before the first colour is right. Here each image token is asked directly what stands in its part of a counting scene:
how many objects have their centre there, and of which colour, shape, size and material. The head that answers is thrown
away.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mr1.models.vlm import VLM
from mr1.tasks import load_task
from mr1.tasks.counting.scene import CLEVR, MATERIALS, SIZE_NAMES
from mr1.types import Sample

CELLS = 4
"""Image tokens on each side of the picture."""
MOST = 3
"""Objects in one cell that are told apart; more count as this many."""
VALUES = (*CLEVR.colors, *CLEVR.shapes, *SIZE_NAMES, *MATERIALS)


def pretrain_vision(vlm: VLM, steps: int, batch: int = 32, learning_rate: float = 2e-3) -> list[float]:
    """Teach the vision tower on training scenes; returns the loss of each step.

    The loss is the sum of a cross-entropy over the number of objects in a cell and a binary cross-entropy over which
    attribute values occur in it, in nats per cell.
    """
    task, tower = load_task("counting"), vlm.adapter.vision_tower()
    head = nn.Linear(vlm.model.config.text_config.hidden_size, MOST + 1 + len(VALUES))
    parameters = [*tower.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.05)
    losses = []
    for step in range(steps):
        samples = [task.sample("train", 1, step * batch + index) for index in range(batch)]
        vision = vlm.processor.image_processor([sample.images[0] for sample in samples], return_tensors="pt")
        features = tower(vision["pixel_values"], grid_thw=vision["image_grid_thw"]).pooler_output
        counts, values = (torch.cat(parts) for parts in zip(*map(cell_labels, samples), strict=True))
        logits = head(features)
        loss = nn.functional.cross_entropy(logits[:, : MOST + 1], counts)
        loss = loss + nn.functional.binary_cross_entropy_with_logits(logits[:, MOST + 1 :], values) * len(VALUES)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 100 == 0:
            print(f"vision step {step}/{steps}  loss {losses[-1]:.3f}", flush=True)
    return losses


def cell_labels(sample: Sample) -> tuple[Tensor, Tensor]:
    """What stands in each cell of a counting scene, cells in the order of the image tokens.

    Returns:
        (16,) int64 numbers of objects, at most `MOST`; (16, len(VALUES)) float32, 1 where an attribute value occurs.
    """
    counts = torch.zeros(CELLS * CELLS, dtype=torch.long)
    values = torch.zeros(CELLS * CELLS, len(VALUES))
    for item in sample.meta["scene"]["objects"]:
        column, row = (min(int(CELLS * part), CELLS - 1) for part in item["pixel"])
        cell = row * CELLS + column
        counts[cell] += 1
        for attribute in ("color", "shape", "size", "material"):
            values[cell, VALUES.index(item[attribute])] = 1
    return counts.clamp(max=MOST), values
