r"""One notation for what people and models write in many ways.

The result is LaTeX without its furniture: no math dollars, no \left, no \text, no emphasis; √ and π are commands,
powers and roots have braces, minus signs and digits are ASCII, groups of thousands have commas, `$` is money. Nothing
that could tell two answers apart is taken off. Linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

ROW_END = "⏎"
"""What ends a row of a matrix, which LaTeX writes as two backslashes."""

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-", strict=True))
_VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"

_CHARACTERS = str.maketrans(
    {0xFF01 + offset: 0x21 + offset for offset in range(94)}  # the full-width forms of ASCII
    | dict.fromkeys("−–—‐‑‒﹣", "-")
    | dict.fromkeys("×·⋅∙✕", "*")
    | dict.fromkeys("∘º˚", "°")
    | dict.fromkeys("≒≃∼≅", "≈")
    | dict.fromkeys("\u2009\u202f\u2006", "\u2009")
    | dict.fromkeys("\u00a0\u3000\u200b\u200c\u200d\u200e\u200f\u2060\ufeff✅", " ")
    | dict.fromkeys("✔☑", "✓")
    | dict.fromkeys("“”„«»「」『』《》", '"')
    | {"【": "[", "】": "]"}
    | dict.fromkeys("‘’′`", "'")
    | {"″": "''", "÷": "/", "∶": ":", "。": ".", "、": ",", "π": r"\pi ", "√": r"\sqrt", "∞": r"\infty "}
    | {"≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∠": r"\angle ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in "}
    | {"℃": "°C", "℉": "°F", "∅": r"\emptyset ", "…": "...", "￥": "¥", "⟨": r"\langle ", "⟩": r"\rangle "}
    | {"μ": "µ", "Ω": "Ω"}
)

_FONTS = "text(?:bf|it|rm|sf)?|math(?:rm|bf|it|sf)|mbox|operatorname|boldsymbol|emph"
_FUNCTIONS = ("sqrt", "pi", "sin", "cos", "tan", "cot", "log", "ln", "exp")
_SIGNED = r"(?=\\?[\d.$]|\\(?:frac|sqrt|pi))"

_COMMAND = r"\\([A-Za-z]+|[()\[\],;:! %#&_])"
_COMMANDS = (
    dict.fromkeys("()[],;:! ", " ")
    | dict.fromkeys("left right displaystyle textstyle quad qquad".split(), " ")
    | {f"{big}{side}": " " for big in ("big", "bigg", "Big", "Bigg") for side in ("", "l", "r")}
    | {character: character for character in "%#&_"}
    | dict.fromkeys(("dfrac", "tfrac", "cfrac"), r"\frac")
    | dict.fromkeys(("degree", "circ"), "°")
    | dict.fromkeys(("approx", "simeq", "thickapprox"), "≈")
    | dict.fromkeys(("times", "cdot", "ast"), "*")
    | dict.fromkeys(("leq", "leqslant"), r"\le ")
    | dict.fromkeys(("geq", "geqslant"), r"\ge ")
    | {"neq": r"\ne ", "prime": "'", "Omega": "Ω", "div": "/", "colon": ":", "lt": "<", "gt": ">"}
    | {"dots": "...", "ldots": "...", "varnothing": r"\emptyset"}
)
"""What a command becomes; all others stay."""


def _rewritten(command: re.Match[str]) -> str:
    return _COMMANDS.get(command[1], command[0])


_RULES: tuple[tuple[str, str, str | Callable[[re.Match[str]], str]], ...] = (
    ("\\\\", r"\\\\(?:\[[^\[\]]*\])?", ROW_END),
    # Between groups of thousands: 12{,}345, 12,\!345, 10\,000 and thin blanks.
    ("{,}", r"(?<=\d)\{,\}(?=\d{3}(?!\d))", ","),
    ("\\", r"(?:\\(?<=\d\\)[,!;: ]|,(?<=\d,)(?:\\[,!;: ]|\s*\\!))(?=\d{3}(?!\d))", ","),
    ("'", r"(?<=\d)'(?=\d{3}(?!\d))", ","),
    ("_", r"(?<=\d)_(?=\d{3}(?!\d))", ","),
    ("\u2009", r"(?<=\d)\u2009(?=\d{3}(?!\d))", ","),
    ("\u2009", r"\u2009", " "),
    ("~", r"(?<=[\d}])~(?=\s*[A-Za-z\\])|(?:(?<=[\s{])|(?<=\\[,;:! ]))~(?=[A-Za-z])", " "),
    ("\\", _COMMAND, _rewritten),
    ("\\", rf"\\(?:{_FONTS})\s*\{{((?:[^{{}}]|\{{[^{{}}]*\}})*)\}}", r" \1 "),
    ("^", r"\^\s*(?:\{\s*°\s*\}|°)", "°"),
    ("^", r"\^\s*\{\s*'\s*'\s*\}", "''"),
    ("^", r"\^\s*(?:\{\s*'\s*\}|')", "'"),
    (r"\over", r"\{([^{}]*)\\over(?![A-Za-z])([^{}]*)\}", r"\\frac{\1}{\2}"),
    (r"\dot", r"\\dot\s*\{?(\d)\}?(\d*)\\dot\s*\{?(\d)\}?", r"\\overline{\1\2\3}"),
    ("Ω", r"(?<![A-Za-z])([kMGm])\s*Ω", r"\1Ω"),
    (r"\mu", r"(?<=[\d\s])\\mu\s*(?=[mgsAVFHLWJN](?![A-Za-z]))", "µ"),
    ("百", r"百分之\s*(\d+(?:\.\d+)?|[零一二两三四五六七八九十百点]+)", r"\1%"),
    # A sign, where no value before it makes it a difference.
    ("minus ", rf"(?<![\d)}}]\s)(?<!\b[A-Za-z]\s)\bminus\s+{_SIGNED}", "-"),
    ("negative ", rf"\bnegative\s+{_SIGNED}", "-"),
    ("负", r"负(?=\d)", "-"),
    (
        "below zero",
        r"(?<![\d.,-])(\d+(?:\.\d+)?\s*(?:°\s*[CF]?|degrees?(?:\s+(?:Celsius|Fahrenheit|C|F))?)?)\s*below\s+zero",
        r"-\1",
    ),
    ("零下", r"零下\s*(?=\d)", "-"),
    ("+", r"\+\s?/\s?-", r"\\pm "),
    ("+", r"(?:^|(?<=[=,(]))\s*\+\s?/?\s?-(?=\s*(?:\d|\\(?:frac|sqrt)))", r"\\pm "),
    ("and a half", r"\b(?:an?|one)\s+([A-Za-z]+)\s+and\s+a\s+half\b(?!\s+[A-Za-z])", r"1.5 \1"),
    ("\\begin", r"\\(?:begin|end)\s*\{(?:align|aligned|equation|gather|gathered|split)\*?\}", " "),
    (" i", r"(?<=\d)\s+i(?![A-Za-z])", "i"),
    ("1i", r"(?<![\d.])1i(?![A-Za-z])", "i"),
    ("<=", r"<=", r"\\le "),
    (">=", r">=", r"\\ge "),
    ("!=", r"!=", r"\\ne "),
    ("**", r"\*\*", "^"),
    *((name, rf"(?<![\\A-Za-z]){name}(?![A-Za-z])", rf"\\{name} ") for name in _FUNCTIONS),
    # Degrees within a sine's argument are no unit of its value.
    (
        "°",
        r"(\\(?:sin|cos|tan|cot|sec|csc)(?:\s*\^\s*\{?\d\}?)?)\s*(?:\(\s*(\d+(?:\.\d+)?)\s*°\s*\)"
        r"|\{\s*(\d+(?:\.\d+)?)\s*°\s*\}|(\d+(?:\.\d+)?)\s*°)",
        r"\1(\2\3\4*\\pi/180)",
    ),
    (r"\sqrt", r"\\sqrt\s*(\d+(?:\.\d+)?|[A-Za-z](?![A-Za-z])|\\pi)", r"\\sqrt{\1}"),
    (r"\log", r"\\log\s*_\s*(\d+|\w)", r"\\log_{\1}"),
    (r"\frac", r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
    (r"\frac", r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{"),
    (r"\frac", r"\\frac\s*(\{[^{}]*\})\s*(\d)", r"\\frac\1{\2}"),
    ("^", r"\^\s*(-?\d+(?:\.\d+)?)(?!\^)", r"^{\1}"),
    ("^", r"\^\s*\(\s*(-?\d+(?:\.\d+)?)\s*\)", r"^{\1}"),
)
"""What must be in a text for the rewriting to change it, so that most are never tried; the pattern; what it becomes."""
_REWRITES = tuple((sign, re.compile(pattern), replacement) for sign, pattern, replacement in _RULES)

_PLAIN = re.compile(r"[A-Za-z0-9 .,;:()/%?-]*")
_IN_WORDS = tuple(sign for sign, _, _ in _REWRITES if _PLAIN.fullmatch(sign))
"""Signs of the rules that may change a text of plain characters; one without them is in the one notation."""

_SCRIPTS = re.compile(f"[{''.join(_SUPERSCRIPTS)}]+|[{''.join(_SUBSCRIPTS)}]+|[{_VULGAR}]")
# In Markdown; beside it stands no letter and no digit, or it is a power.
_EMPHASIS = re.compile(
    r"(?<![A-Za-z0-9_)*])(\*\*\*|\*\*|\*|__|_)(?=[^\s*_])((?:(?!\1).)+?)(?<=[^\s*_])\1(?![A-Za-z0-9_(*])",
    re.DOTALL,
)
_MARKUP = re.compile(r"<(b|i|u|em|strong|p|span|code|div)>(.*?)</\1>|<br\s*/?>|&nbsp;", re.IGNORECASE | re.DOTALL)
_ROOT = re.compile(r"\\sqrt\s*\(")
_WRAPPERS = {'"': '"', "'": "'", "`": "`", "*": "*", "“": "”", "‘": "’", "「": "」", "『": "』", "«": "»"}
_DOLLAR = re.compile(r"\\\$|\$+")


def canonical(text: str) -> str:
    """A text in the one notation, stripped."""
    text = unwrapped(text)
    if _PLAIN.fullmatch(text) and not any(map(text.__contains__, _IN_WORDS)):
        return text
    if not text.isascii():
        text = _SCRIPTS.sub(_in_line, text.translate(_CHARACTERS))
    if "<" in text or "&" in text:
        text = _MARKUP.sub(r" \2 ", text)
    if "*" in text or "_" in text:
        text = _EMPHASIS.sub(r"\2", text)
    text = text.replace("`", "'")
    if "$" in text:
        text = _without_dollars(text)
    for sign, pattern, replacement in _REWRITES:
        if sign in text and pattern.search(text):  # to search is cheaper than to replace nothing
            text = pattern.sub(replacement, text)
    return _braced_roots(text).strip() if "\\sqrt" in text else text.strip()


def unwrapped(text: str) -> str:
    """Without quotes, code's marks or emphasis around the whole. No expression begins with an asterisk."""
    text = text.strip()
    while len(text) > 2 and (closer := _WRAPPERS.get(text[0])) and (end := text.rstrip(".,;。")).endswith(closer):
        wide = 2 if text.startswith("**") and end.endswith("**") and len(end) > 4 else 1
        if text[0] == "*" and "*" * wide in end[wide:-wide]:  # **A** and **C**
            break
        inside = end[wide:-wide]
        if text[0] in "'\"" and text[0] in inside and not inside.endswith(closer):
            break
        text = inside.strip()
    return text


def closing(text: str, start: int, pair: str) -> int:
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


def _in_line(found: re.Match[str]) -> str:
    """Raised, lowered and vulgar characters as LaTeX."""
    first = found[0][0]
    if first in _SUPERSCRIPTS:
        return "^{" + "".join(_SUPERSCRIPTS[each] for each in found[0]) + "}"
    if first in _SUBSCRIPTS:
        return "_{" + "".join(_SUBSCRIPTS[each] for each in found[0]) + "}"
    above, below = unicodedata.normalize("NFKC", first).split("⁄")
    return f"\\frac{{{above}}}{{{below}}}"


def _without_dollars(text: str) -> str:
    r"""Take off the dollars that begin and end mathematics; `\$5`, and a dollar that nothing ends, is money."""
    pieces: list[str] = []
    last, opened = 0, -1
    marks = [found for found in _DOLLAR.finditer(text) if found[0] != "\\$"]
    for found in _DOLLAR.finditer(text):
        pieces.append(text[last : found.start()])
        last = found.end()
        if found[0] == "\\$":
            pieces.append("$")
        elif opened < 0:
            follows = next((each for each in marks if each.start() >= found.end()), None)
            inside = text[found.end() : follows.start()] if follows else ""
            if follows is None or _is_money(inside, text[follows.end() : follows.end() + 1]):
                pieces.append("$")
            else:
                opened = follows.start()
                pieces.append(" ")
        else:
            opened = -1
            pieces.append(" ")
    return "".join([*pieces, text[last:]])


def _is_money(inside: str, behind: str) -> bool:
    """Whether two dollars are two prices: `$10-$20`, `$5 and $6`."""
    return behind.isdigit() and (not inside.strip() or re.search(r"[-~,&\s]$|\b(?:to|and|or)\s*$", inside) is not None)


def _braced_roots(text: str) -> str:
    r"""`\sqrt(x)` as `\sqrt{x}`."""
    characters = list(text)
    for found in _ROOT.finditer(text):
        start = found.end() - 1
        end = closing(text, start, "()")
        if end >= 0:
            characters[start], characters[end] = "{", "}"
    return "".join(characters)
