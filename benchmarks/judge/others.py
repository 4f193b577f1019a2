"""Other rules for the same question, side by side: on the text of the tag alone, as ours is.

math-verify 0.9.0 and R1-V's reward are called as they are, bounded in time by the judge's pool. The rules of two
evaluation suites are written anew from what their sources do:

- lm-evaluation-harness, task minerva_math (lm_eval/tasks/minerva_math/utils.py, commit 0348ed9; the normalisation is
  appendix D of Lewkowycz et al., 2022, https://arxiv.org/abs/2206.14858). The text is taken as what stands behind "The
  final answer is". Its LaTeX is parsed by latex2sympy2_extended in place of sympy's own parser, which needs another
  release of antlr4 than math-verify does.
- VLMEvalKit, MathVista (vlmeval/dataset/utils/mathvista.py, commit 0981827, and vlmeval/utils/matching_util.py, commit
  134b4ea). Where its rules find nothing it asks a language model to extract the answer; that step is left out, because
  the tag's text is already the answer.
"""

from __future__ import annotations

import re
import signal
import warnings
from collections.abc import Callable
from string import ascii_uppercase
from types import FrameType

from latex2sympy2_extended import latex2sympy

from benchmarks.judge.measure import Judge
from mr1.judge import r1v
from mr1.judge.truth import Kind, Truth
from mr1.judge.verdict import Verdict

SECONDS = 5
"""Of the clock, that lm-evaluation-harness gives sympy for one comparison."""


def math_verify(answer: str, truth: Truth) -> Verdict:
    """math-verify with its defaults, on the bare answer."""
    return r1v.whole_output(answer, truth)


def r1v_reward(answer: str, truth: Truth) -> Verdict:
    """R1-V's accuracy reward, on an output whose tag holds the answer."""
    return r1v.training_reward(f"<answer>{answer}</answer>", truth)


_REPLACED: tuple[tuple[str, str], ...] = (("an ", ""), ("a ", ""), (".$", "$"), ("\\$", ""), ("\\ ", ""), (" ", ""))
_REPLACED += (("mbox", "text"), (",\\text{and}", ","), ("\\text{and}", ","), ("\\text{m}", "\\text{}"))
_FORGOTTEN = r"""
square ways integers dollars mph inches ft hours km units \ldots sue points feet minutes digits cents degrees cm gm
pounds meters meals edges students childrentickets multiples \text{s} \text{.} \text{}^2 \text{}^3 \text{} \mathrm{th}
^\circ ^{\circ} \; ,\! {,} " \dots
"""
"""What the suite takes off, wherever it stands."""
_INSIDE = (r"\\text\{(.*?)\}", r"\\textbf\{(.*?)\}", r"\\overline\{(.*?)\}", r"\\boxed\{(.*)\}")


def minerva(answer: str, truth: Truth) -> Verdict:
    """lm-evaluation-harness on MATH: both are normalised, and right where sympy finds their difference to be zero."""
    gold, said = (_normalised(text) for text in (truth.accepted[0], answer.strip().removesuffix(".")))
    return _within(SECONDS, lambda: Verdict.RIGHT if _difference_is_zero(said, gold) else Verdict.WRONG)


def _normalised(text: str) -> str:
    text = text.rpartition("=")[2]
    for old, new in _REPLACED:
        text = text.replace(old, new)
    for old in _FORGOTTEN.split():
        text = text.replace(old, "")
    if found := re.search(r"\$(.*?)\$", text):
        text = found[1]
    for pattern in _INSIDE:
        text = re.sub(pattern, r"\1", text)
    text = re.sub(r"frac([^{])(.)", r"frac{\1}{\2}", text)
    text = re.sub(r"sqrt([^{])", r"sqrt{\1}", text).replace("$", "")
    digits = text.replace(",", "")
    return digits if digits.isdigit() else text


def _difference_is_zero(said: str, gold: str) -> bool:
    import sympy

    try:
        return bool(sympy.simplify(latex2sympy(said) - latex2sympy(gold)) == 0)
    except Exception:  # whatever can't be parsed or subtracted is wrong for the suite
        return False


def _within(seconds: float, judged: Callable[[], Verdict]) -> Verdict:
    """The verdict, or TIMEOUT. In the main thread only."""

    class _TooLongError(BaseException):
        """Not caught by what catches all that can go wrong."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return judged()
    except _TooLongError:
        return Verdict.TIMEOUT
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def vlmevalkit(answer: str, truth: Truth) -> Verdict:
    """VLMEvalKit on MathVista: a letter inferred, or an integer or a float converted, or the same text."""
    gold = truth.accepted[0]
    if truth.choices or truth.kind is Kind.CHOICE or re.fullmatch(r"[A-Z]", gold):
        letter = re.sub(r"[^A-Z]", "", gold)[:1]
        return _verdict(_inferred(answer, truth.choices) == letter and len(re.findall(r"\b[A-Z]\b", gold)) == 1)
    for number in (int, float):
        try:
            expected = number(gold)
        except ValueError:
            continue
        try:
            return _verdict(number(answer) == expected)
        except ValueError:
            return Verdict.WRONG
    return _verdict(answer == gold)


def _inferred(answer: str, texts: tuple[str, ...]) -> str:
    """The one letter that stands alone among the last five words, or the one choice whose text is in the answer."""
    known = ascii_uppercase[: len(texts) or 26]
    words = re.sub(r"[.()\[\],:;!*#{}]", " ", answer).split()
    alone = [letter for letter in known if letter in words]
    if len(alone) == 1 and words.index(alone[0]) > len(words) - 5:
        return alone[0]
    if len(answer) > 2 * sum(map(len, texts)):
        return ""
    within = [letter for letter, text in zip(known, texts, strict=False) if text.lower() in answer.lower()]
    return within[0] if len(within) == 1 else ""


def _verdict(right: bool) -> Verdict:
    return Verdict.RIGHT if right else Verdict.WRONG


OTHERS: dict[str, Judge] = {
    "math-verify": math_verify,
    "R1-V": r1v_reward,
    "lm-evaluation-harness": minerva,
    "VLMEvalKit": vlmevalkit,
}
