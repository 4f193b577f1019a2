"""What the judge leaves out for speed would have said nothing: each shortcut beside the whole way."""

from __future__ import annotations

from random import Random

import pytest
from benchmarks.judge.pairs import pairs
from benchmarks.judge.written import written

from mr1.judge import numbers
from mr1.judge.frame import concluded, statement
from mr1.judge.notation import _IN_WORDS, _PLAIN, _REWRITES, canonical, unwrapped
from mr1.judge.reading import _ORDER
from mr1.judge.verdict import too_large

ALPHABET = "0123456789 .,;:()[]{}/%?-+*^_=<>'\"\\°≈±~aeknostxyzABMTX年月日时点千万亿分之比第半两二\u0663\u2003"


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Texts of every kind, and random ones."""
    tried = [*pairs(1500, seed=5), *written()]
    rng = Random(0)
    odd = ["".join(rng.choices(ALPHABET, k=rng.randrange(1, 16))) for _ in range(4000)]
    return [*{text for pair in tried for text in (pair.answer, pair.truth.accepted[0])}, *odd]


def test_a_reader_reads_no_text_without_one_of_its_characters(texts: list[str]) -> None:
    stated = {statement(text) for text in texts if not too_large(text)}
    stated |= {concluded(text) for text in stated if text}
    skipped = 0
    for text in filter(None, stated):
        for reader, signs in _ORDER.items():
            if signs and set(signs).isdisjoint(text):
                skipped += 1
                assert reader(text).value is None, (text, signs)
    assert skipped > 5 * len(stated)


def test_a_text_of_plain_characters_is_in_the_one_notation(texts: list[str]) -> None:
    plain = [text for text in map(unwrapped, texts) if _PLAIN.fullmatch(text)]
    left = [text for text in plain if not any(sign in text for sign in _IN_WORDS)]
    assert len(left) > 1000
    for text in left:
        assert canonical(text) == text
        for _, pattern, replacement in _REWRITES:
            assert pattern.sub(replacement, text) == text


def test_a_simple_decimal_is_read_as_the_whole_grammar_reads_it(texts: list[str]) -> None:
    simple = 0
    for text in map(canonical, texts):
        for start in range(min(len(text), 12)):
            found = numbers.SIMPLE.match(text, start)
            if found is not None:
                simple += 1
                whole = numbers._LITERAL.match(text, start)
                assert whole is not None
                assert whole.end() == found.end(), text
                assert numbers._written(whole) == numbers.decimal(*found.groups()), text
                assert numbers._TEN.match(text, start) is None
            if text[start].isalpha():
                assert numbers._LITERAL.match(text, start) is None
    assert simple > 5000
    assert numbers.literal_at("〇点五") == (numbers.decimal("", "0", "5"), 3)
