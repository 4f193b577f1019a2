"""Contact sheets: many samples on one picture."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from mr1.types import Sample

GAP = 12
MOST_LINES = 12
"""Of a question; the rest of it is left out."""


def contact_sheet(samples: Sequence[Sample], size: int) -> Image.Image:
    """A square-ish grid of the samples' first images, with question and answer below each.

    Args:
        samples: at least one.
        size: side of an image's cell in pixels; images keep their shape inside it.
    """
    columns = math.ceil(math.sqrt(len(samples)))
    font = ImageFont.load_default(max(11, size // 18))
    line = int(font.getbbox("Ag")[3] * 1.3)
    width = max(16, int(size / font.getlength("n")))
    captions = [
        [*textwrap.wrap(sample.question, width, max_lines=MOST_LINES, placeholder=" ..."), f"answer: {sample.answer}"]
        for sample in samples
    ]
    height = size + line * max(map(len, captions)) + GAP // 2
    rows = math.ceil(len(samples) / columns)
    sheet = Image.new("RGB", (columns * (size + GAP) + GAP, rows * (height + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (sample, caption) in enumerate(zip(samples, captions, strict=True)):
        row, column = divmod(index, columns)
        x, y = GAP + column * (size + GAP), GAP + row * (height + GAP)
        if sample.images:
            image = sample.images[0].convert("RGB")
            image.thumbnail((size, size))
            sheet.paste(image, (x, y))
        for number, words in enumerate(caption):
            last = number + 1 == len(caption)
            draw.text((x, y + size + GAP // 2 + number * line), words, fill="black" if last else "#444444", font=font)
    return sheet
