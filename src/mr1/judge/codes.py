"""What has digits or capitals and is no value: ABC-123, H2O, XIV, the 1990s."""

from __future__ import annotations

import re

from mr1.judge.values import Reading, Words

DECADE = re.compile(r"(?<![\d.,])([12]\d{2}0)\s*(?:(?<=0)'?s(?![A-Za-z])|年代)")
_ONE_DECADE = re.compile(rf"(?:in\s+)?(?:the\s+)?{DECADE.pattern}")
_SERIAL = re.compile(r"[A-Za-z]{2,}-\d[\w-]*|[A-Z]{2,}\d[\w-]*|[A-Z]\d{1,4}")
_MIXED = re.compile(r"(?:^|(?<=\s))(?=\S*[A-Za-z])(?=\S*\d)[A-Za-z_@#][\w.@#/-]*(?=$|[\s,.])|(?<!\S)[2-4]D(?!\w)")
_PLAIN = re.compile(r"[\w\s.,@#/:'&-]+")
_ROMAN = re.compile(r"(?=[IVXLCDM]{2,}$)(?=.*[IVX])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_JOINED = re.compile(
    r"\b(?:or|and|not|is|are|equals?|so)\b|(?<![A-Za-z\d])\d+\s+\d|[a-z]_\{?\d\}?(?:\W|$)", re.IGNORECASE
)
"""What makes more of a text than a name that has digits: Q3 2021, img_001.png."""
_ELEMENTS = """H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y
    Zr Nb Mo Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Nd Sm Eu Gd W Re Os Ir Pt Au Hg Tl Pb Bi Po Rn Ra Th U Pu"""
_ELEMENT = "|".join(sorted(_ELEMENTS.split(), key=len, reverse=True))
_ATOMS = rf"(?:(?:{_ELEMENT})\d{{0,3}})+"
_FORMULA = re.compile(rf"(?=.*\d)(?:(?:{_ELEMENT})\d{{0,3}}|\({_ATOMS}\)\d{{0,3}})+")
_LOWERED = re.compile(r"\s*_\s*\{?\s*(\d+)\s*\}?\s*")


def decade_in(text: str) -> re.Match[str] | None:
    """Where a text tells a decade."""
    return DECADE.search(text) if "0" in text and ("s" in text or "年" in text) else None


def code_of(text: str) -> str:
    """The one way of writing a serial number, a formula, a Roman numeral or a decade; empty for all else."""
    if decade_in(text) and (found := _ONE_DECADE.fullmatch(text)):
        return f"{found[1]}s"
    if text[:1].isdecimal():
        return ""
    if _SERIAL.fullmatch(text):
        return text
    if text.isalpha():
        return text if _ROMAN.fullmatch(text.upper()) and (text.isupper() or text.islower()) else ""
    flat = _LOWERED.sub(r"\1", text) if "_" in text else text
    return flat if _FORMULA.fullmatch(flat) else ""


def read_code(text: str) -> Reading:
    """A text that is a code, or tells a decade."""
    if code := code_of(text):
        return Reading(Words((code,)))
    if (found := decade_in(text)) and re.search(r"\d", text[: found.start()] + text[found.end() :]) is None:
        return Reading(Words(tuple(text.replace("'", "").split())))
    apart = " " in text or "." in text or "_" in text
    if apart and _PLAIN.fullmatch(text) and _MIXED.search(text) and not _JOINED.search(text):
        return Reading(Words(tuple(token.strip(".,") for token in text.replace(",", " ").split())))
    return Reading(why="it is no code")
