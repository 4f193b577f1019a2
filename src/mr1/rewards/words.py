"""How an output is worded, whatever it says: does it repeat itself, does it leave the question's script?

Both scores are minus a share, from -1 to 0; the weight is the recipe's.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache
from itertools import groupby

from mr1.judge.tags import CLOSE, OPEN, THINK, UNTHINK
from mr1.types import Sample

NGRAM = 20
"""Words: VL-Cogito's and Perception-R1's."""

NO_WORDS = re.compile(f"{THINK}|{UNTHINK}|{OPEN}|{CLOSE}|\\\\[A-Za-z]+")
"""Tags, and LaTeX's commands."""
LETTERS = re.compile(r"[^\W\d_]+")
NOTATION = 3
"""Up to so many Latin or Greek letters in a row, or capitals alone, are alike in all languages: x, sin, π, ABCD."""
JOINED = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "IDEOGRAPHIC": "CJK"}
"""Scripts that one language writes together."""


def repetition(text: str, sample: Sample | None = None) -> float:  # noqa: ARG001
    """Minus the share of n-grams of `NGRAM` words that are repeated, -(1 - different / all); 0 in a shorter text.

    Words are lower-cased and end at blanks. The term of VL-Cogito (arXiv 2507.22607), with weight 0.5 and there for
    wrong completions alone, and of Perception-R1 (arXiv 2506.07218), with weight 2; both by their code.
    """
    words = text.lower().split()
    ngrams = [*zip(*(words[start:] for start in range(NGRAM)), strict=False)]
    return len(set(ngrams)) / len(ngrams) - 1 if ngrams else 0.0


def other_script(text: str, sample: Sample) -> float:
    """Minus the share of the text's letters that are not of the question's script; 0 where there is none to compare.

    The question's script is the one that most of its letters are of. Notation (see `NOTATION`) counts only where it is
    of this script; tags and LaTeX's commands never do. Chinese and Japanese count as one script, and languages of one
    script are not told apart.

    SRPO (arXiv 2504.14286) has a penalty for mixing languages; what others write of it gives no formula. This one is
    MR1's own.
    """
    asked, said = letters_by_script(sample.question), letters_by_script(text)
    main = max(asked, key=asked.__getitem__, default="")
    foreign = sum(words for script, (words, _) in said.items() if script != main)
    own = said.get(main, (0, 0))[1]
    return -foreign / (foreign + own) if main and foreign else 0.0


def letters_by_script(text: str) -> dict[str, tuple[int, int]]:
    """How many letters of each script a text has: those that are surely no notation, and all of them."""
    words: Counter[str] = Counter()
    every: Counter[str] = Counter()
    for run in LETTERS.findall(unicodedata.normalize("NFKC", NO_WORDS.sub(" ", text))):
        for script, letters in groupby(run, script_of):
            written = "".join(letters)
            every[script] += len(written)
            if script not in ("LATIN", "GREEK") or (len(written) > NOTATION and not written.isupper()):
                words[script] += len(written)
    return {script: (words[script], count) for script, count in every.items()}


@cache
def script_of(letter: str) -> str:
    """A letter's script, by the first word of its name in Unicode: LATIN, CYRILLIC, CJK; empty where it has none."""
    name = re.split("[ -]", unicodedata.name(letter, ""))[0]
    return JOINED.get(name, name)
