"""One notation for what people and models write in many ways.

The result is LaTeX without its furniture: no dollars, no \\left, no \\text; √ and π are commands, powers and roots have
braces, minus signs and digits are ASCII. Linear in the text.
"""

from __future__ import annotations

import re

_CHARACTERS = str.maketrans(
    {0xFF01 + offset: 0x21 + offset for offset in range(94)}  # the full-width forms of ASCII
    | dict.fromkeys("−–—‐‑‒", "-")
    | dict.fromkeys("×·⋅∙", "*")
    | dict.fromkeys("∘º˚", "°")
    | dict.fromkeys("≒≃∼", "≈")
    | dict.fromkeys("\u00a0\u2009\u202f\u3000~", " ")
    | {"÷": "/", "∶": ":", "。": ".", "、": ",", "²": "^{2}", "³": "^{3}", "π": r"\pi ", "√": r"\sqrt"}
)

_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\[()\[\]]|\$|\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])", " "),
        (r"\\[,;:! ]", " "),
        (r"\\(?:text|textbf|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}", r" \1 "),
        (r"\^\s*\{?\s*\\circ\s*\}?|\\degree(?![A-Za-z])|\^\s*\{?\s*°\s*\}?", "°"),
        (r"\\%", "%"),
        (r"\\[dtc]frac", r"\\frac"),
        (r"\\approx(?![A-Za-z])", "≈"),
        (r"\\(?:times|cdot)(?![A-Za-z])", "*"),
        (r"^\*\*|\*\*$|`", ""),  # emphasis in Markdown
        (r"\*\*", "^"),
        (r"\b(?:minus|negative)\s+", "-"),
        (r"(?<![\\A-Za-z])(sqrt|pi|sin|cos|tan|cot|log|ln)(?![A-Za-z])", r"\\\1 "),
        (r"\\sqrt\s*(\d+(?:\.\d+)?|[A-Za-z](?![A-Za-z])|\\pi)", r"\\sqrt{\1}"),
        (r"\^\s*(-?\d+(?:\.\d+)?)(?!\^)", r"^{\1}"),
        # math-verify reads juxtaposed numbers as a mixed number: 3(4) would be 7.
        (r"(?<=[\d)])\s*\((?=\s*[-\d\\])", "*("),
    )
)

_ROOT = re.compile(r"\\sqrt\s*\(")
_BOXED = re.compile(r"\\f?box(?:ed)?\s*\{")


def canonical(text: str) -> str:
    """A text in the one notation, stripped; what is inside the last \\boxed where there is one."""
    text = _last_boxed(text.translate(_CHARACTERS))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return _braced_roots(text).strip()


def _closing(text: str, start: int, pair: str) -> int:
    """The index of the bracket that closes the one at `start`; -1 where it stays open."""
    depth = 0
    for index in range(start, len(text)):
        if text[index] == pair[0]:
            depth += 1
        elif text[index] == pair[1]:
            depth -= 1
            if depth == 0:
                return index
    return -1


def _last_boxed(text: str) -> str:
    boxes = list(_BOXED.finditer(text))
    if not boxes:
        return text
    start = boxes[-1].end()
    end = _closing(text, start - 1, "{}")
    return text[start:end] if end >= 0 else text


def _braced_roots(text: str) -> str:
    """`\\sqrt(x)` as `\\sqrt{x}`."""
    characters = list(text)
    for found in _ROOT.finditer(text):
        start = found.end() - 1
        end = _closing(text, start, "()")
        if end >= 0:
            characters[start], characters[end] = "{", "}"
    return "".join(characters)
