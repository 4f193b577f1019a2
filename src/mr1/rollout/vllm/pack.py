"""MessagePack as far as vLLM's multimodal tensors need it.

Source: the specification of MessagePack (github.com/msgpack/msgpack); tensors as in `vllm/v1/serial_utils.py`, 0.32.0.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

RAW = 3
"""vLLM's code for a tensor's bytes."""

CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
NUMBERS = {
    **{0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"},
    **{0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"},
}
SIZED = {
    **{0xC4: ("bytes", ">B"), 0xC5: ("bytes", ">H"), 0xC6: ("bytes", ">I")},
    **{0xC7: ("extension", ">B"), 0xC8: ("extension", ">H"), 0xC9: ("extension", ">I")},
    **{0xD9: ("text", ">B"), 0xDA: ("text", ">H"), 0xDB: ("text", ">I")},
    **{0xDC: ("list", ">H"), 0xDD: ("list", ">I"), 0xDE: ("map", ">H"), 0xDF: ("map", ">I")},
}
SHORT = {0x8: ("map", 0xF), 0x9: ("list", 0xF), 0xA: ("text", 0x1F), 0xB: ("text", 0x1F)}
"""By the code's upper half: what it is, and the bits that say how long."""

Value = None | bool | int | str | Tensor | Sequence["Value"] | Mapping[str, "Value"]


def packed(value: Value) -> bytes:
    """A value in bytes; a tensor as its dtype's name, its shape, and its bytes."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return b"\xd3" + struct.pack(">q", value)
    if isinstance(value, str):
        text = value.encode()
        return b"\xdb" + struct.pack(">I", len(text)) + text
    if isinstance(value, Tensor):
        raw = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        parts = packed(str(value.dtype).removeprefix("torch.")), packed([*value.shape]), _extension(raw)
        return _array(3) + b"".join(parts)
    if isinstance(value, Mapping):
        pairs = b"".join(packed(key) + packed(each) for key, each in value.items())
        return b"\xdf" + struct.pack(">I", len(value)) + pairs
    return _array(len(value)) + b"".join(map(packed, value))


def unpacked(raw: bytes) -> Any:
    """What bytes of vLLM hold; a tensor as its dtype's name, its shape, and its bytes.

    Raises:
        ValueError: they hold something else, or are cut off.
    """
    value, rest = _first(memoryview(raw))
    if rest:
        raise ValueError(f"{len(rest)} bytes too many")
    return value


def as_tensor(value: Sequence[Any]) -> Tensor:
    """A tensor that was unpacked."""
    dtype, shape, raw = value
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(getattr(torch, dtype)).view(shape)


def _first(raw: memoryview) -> tuple[Any, memoryview]:
    """The first value, and the bytes behind it."""
    (code,), raw = _taken(raw, 1)
    if code in CONSTANTS:
        return CONSTANTS[code], raw
    if code < 0x80 or code >= 0xE0:
        return code - 0x100 * (code >= 0xE0), raw
    if code in NUMBERS:
        return _number(NUMBERS[code], raw)
    if code in SIZED:
        kind, form = SIZED[code]
        count, raw = _number(form, raw)
    elif code < 0xC0:
        kind, bits = SHORT[code >> 4]
        count = code & bits
    else:
        raise ValueError(f"bytes of the kind {code:#x}")
    if kind in ("list", "map"):
        values = []
        for _ in range(count * (2 if kind == "map" else 1)):
            value, raw = _first(raw)
            values.append(value)
        return (dict(zip(values[::2], values[1::2], strict=True)) if kind == "map" else values), raw
    part, raw = _taken(raw, count + (kind == "extension"))
    return (str(part, "utf-8") if kind == "text" else bytes(part[kind == "extension" :])), raw


def _number(form: str, raw: memoryview) -> tuple[Any, memoryview]:
    part, raw = _taken(raw, struct.calcsize(form))
    return struct.unpack(form, part)[0], raw


def _taken(raw: memoryview, count: int) -> tuple[memoryview, memoryview]:
    if len(raw) < count:
        raise ValueError(f"{count - len(raw)} bytes are missing")
    return raw[:count], raw[count:]


def _array(length: int) -> bytes:
    return b"\xdd" + struct.pack(">I", length)


def _extension(raw: bytes) -> bytes:
    return b"\xc9" + struct.pack(">Ib", len(raw), RAW) + raw
