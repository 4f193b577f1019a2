"""The theorems on triangles: angle sum, isosceles, exterior angle, right triangle, and lines from a vertex."""

from __future__ import annotations

import cmath
import math
from itertools import permutations

import numpy as np

from mr1.tasks.geometry.problem import Figure, Problem, Theorem, Values, angle, ask, pair

STEPS = range(20, 165, 5)


def polar(radius: float, degrees: float) -> complex:
    """The point at this distance from the origin, in this direction."""
    return cmath.rect(radius, math.radians(degrees))


def triangle(names: str, at_first: int, at_second: int, rng: np.random.Generator) -> dict[str, complex]:
    """A triangle with these two angles, resting on a side that is drawn at random."""
    degrees = (at_first, at_second, 180 - at_first - at_second)
    top = int(rng.integers(3))
    left, right = (top + 1) % 3, (top + 2) % 3
    sines = [math.sin(math.radians(value)) for value in degrees]
    corners = {top: polar(sines[right], degrees[left]), left: 0j, right: complex(sines[top])}
    return {names[i]: corners[i] for i in range(3)}


def sides(names: str) -> tuple[str, ...]:
    """The three sides of a triangle."""
    a, b, c = tuple(names)
    return pair(a, b), pair(b, c), pair(a, c)


def angle_sum(variant: str, names: str, values: Values, rng: np.random.Generator) -> Problem:
    """Three numbered angles: all inside a triangle, or one of them outside of it."""
    x, y, z = tuple(names)
    a, b = values
    third = {"inside": 180 - a - b, "asked_outside": a + b, "given_outside": a - b}[variant]
    at = {x: "BAC", y: "ABC", z: "ACB"}
    if variant == "inside":
        points = triangle("ABC", a, b, rng)
        reasoning = f"1, 2 and 3 in one triangle. {a} + {b} = {a + b}, 180 - {a + b} = {third}"
    elif variant == "asked_outside":
        points = triangle("ABC", a, b, rng)
        at[z] = "ACD"
        reasoning = f"{z} outside the triangle, so exterior angle. {a} + {b} = {third}"
    else:
        points = triangle("ABC", third, b, rng)
        at[x], at[z] = "ACD", "BAC"
        reasoning = f"{x} outside the triangle, so exterior angle. {a} - {b} = {third}"
    lines = sides("ABC")
    if variant != "inside":
        along = points["C"] - points["B"]
        longest = max(abs(along), abs(points["A"] - points["B"]), abs(points["A"] - points["C"]))
        points["D"] = points["C"] + 0.5 * longest * along / abs(along)
        lines += ("CD",)
    return Problem(
        ask(f"angle {x} = {a}°, angle {y} = {b}°", z),
        Figure(points, lines, numbers=at),
        {x: at[x], y: at[y]},
        at[z],
        {at[x]: a, at[y]: b, at[z]: third},
        reasoning,
    )


def isosceles(variant: str, names: str, values: Values, rng: np.random.Generator) -> Problem:
    """Ticks show which two sides of an isosceles triangle are equal: at the given, the asked or the third corner."""
    p, q, r = tuple(names)
    (a,) = values
    asked = {"apex_given": (180 - a) // 2, "apex_asked": 180 - 2 * a, "apex_third": a}[variant]
    apex, left, right = {"apex_given": (p, q, r), "apex_asked": (q, p, r), "apex_third": (r, p, q)}[variant]
    left, right = sorted((left, right))
    ticks = pair(apex, left), pair(apex, right)
    seen = f"{ticks[0]} = {ticks[1]}, so angle {left} = angle {right}"
    rest = 180 - a
    steps = {
        "apex_given": f". 180 - {a} = {rest}, {rest} / 2 = {asked}",
        "apex_asked": f". 180 - {a} = {rest}, {rest} - {a} = {asked}",
        "apex_third": f", {a}",
    }[variant]
    given, wanted = angle(q, p, r), angle(p, q, r)
    points = triangle(names, a, asked, rng)
    return Problem(
        ask(f"triangle {''.join(sorted(names))} is isosceles, angle {p} = {a}°", q),
        Figure(points, sides(names), labels=names, ticks=ticks),
        {p: given},
        wanted,
        {given: a, wanted: asked},
        seen + steps,
    )


def exterior_angle(variant: str, names: str, values: Values, rng: np.random.Generator) -> Problem:
    """D is on a side's line: past the corner (exterior angle), on the side itself, or past its other end."""
    p, q, r = tuple(names)
    a, b = values
    points = triangle(names, a, b, rng)
    along = {"past_corner": (1.45, 1.65), "between": (0.4, 0.6), "past_other": (-0.65, -0.45)}[variant]
    points["D"] = points[q] + rng.uniform(*along) * (points[r] - points[q])
    lines = sides(names)
    both = a + b
    if variant == "past_corner":
        seen, steps, asked = f"D past {r}, so exterior angle", f"{a} + {b} = {both}", both
        lines += (r + "D",)
    else:
        where = f"between {pair(q, r)[0]} and {pair(q, r)[1]}" if variant == "between" else f"past {q}"
        lines += (p + "D",) if variant == "between" else (q + "D",)
        seen = f"D {where}, so angle {angle(p, r, 'D')} = angle {angle(p, r, q)}"
        asked = 180 - both
        steps = f"{a} + {b} = {both}, 180 - {both} = {asked}"
    at_p, at_q, wanted = angle(q, p, r), angle(p, q, r), angle(p, r, "D")
    facts = f"in triangle {''.join(sorted(names))}, angle {p} = {a}°, angle {q} = {b}°, D is on line {pair(q, r)}"
    return Problem(
        ask(facts, wanted),
        Figure(points, lines, labels=names + "D", dots="D"),
        {p: at_p, q: at_q},
        wanted,
        {at_p: a, at_q: b, wanted: asked},
        f"{seen}. {steps}",
    )


def right_triangle(variant: str, names: str, values: Values, rng: np.random.Generator) -> Problem:
    """A square shows which corner of a right triangle is right: the third, or the asked one itself."""
    p, q, r = tuple(names)
    (a,) = values
    given, wanted = angle(q, p, r), angle(p, q, r)
    if variant == "right_third":
        asked, square = 90 - a, angle(p, r, q)
        reasoning = f"right angle at {r}. 90 - {a} = {asked}"
    else:
        asked, square = 90, wanted
        reasoning = f"right angle at {q}, 90"
    return Problem(
        ask(f"{''.join(sorted(names))} is a right triangle, angle {p} = {a}°", q),
        Figure(triangle(names, a, asked, rng), sides(names), labels=names, squares=(square,)),
        {p: given},
        wanted,
        {given: a, wanted: asked},
        reasoning,
    )


def line_from_corner(variant: str, names: str, values: Values, rng: np.random.Generator) -> Problem:
    """A line from a corner to D, on the opposite side: a bisector, an altitude, or as long as a part of that side."""
    p, q, r = tuple(names)
    b, c = values
    points = triangle(q + r + p, b, c, rng)
    top, left, right = points[p], points[q], points[r]
    across = (right - left) / abs(right - left)
    foot = ((top - left) * across.conjugate()).real
    line, half = p + "D", angle(q, p, "D")
    figure = Figure(points, (*sides(names), line), labels=names + "D")
    if variant == "bisector":
        ratio = abs(top - left) / (abs(top - left) + abs(top - right))
        points["D"] = left + ratio * (right - left)
        figure = Figure(points, figure.lines, figure.labels, arcs=(half, angle("D", p, r)))
        rest = 180 - b - c
        asked = rest // 2
        steps = f"{b} + {c} = {b + c}, 180 - {b + c} = {rest}, {rest} / 2 = {asked}"
        reasoning = f"{line} bisects angle {angle(q, p, r)}. {steps}"
    elif variant == "altitude":
        points["D"] = left + foot * across
        figure = Figure(points, figure.lines, figure.labels, squares=(p + "D" + r,))
        asked = 90 - b
        reasoning = f"right angle at D. 90 - {b} = {asked}"
    else:
        points["D"] = left + abs(top - left) ** 2 / (2 * foot) * across
        figure = Figure(points, figure.lines, figure.labels, ticks=(line, q + "D"))
        asked = b
        reasoning = f"{line} = {q}D, so angle {half} = angle {q}, {b}"
    at_q, at_r = angle(p, q, r), angle(p, r, q)
    facts = f"in triangle {''.join(sorted(names))}, angle {q} = {b}°, angle {r} = {c}°, D is on {pair(q, r)}"
    return Problem(ask(facts, half), figure, {q: at_q, r: at_r}, half, {at_q: b, at_r: c, half: asked}, reasoning)


ABC = tuple("".join(letters) for letters in permutations("ABC"))
CORNERS = tuple("".join(letters) for letters in (*permutations("ABCD", 3), *permutations("DEF")))

TRIANGLES = {
    "angle_sum": Theorem(
        angle_sum,
        ("inside", "asked_outside", "given_outside"),
        tuple("".join(digits) for digits in permutations("123")),
        tuple(
            (a, b) for a in STEPS for b in STEPS if b >= 30 and a - b >= 30 and a + b <= 150 and a + b != 90 and a != 90
        ),
    ),
    "isosceles": Theorem(
        isosceles,
        ("apex_given", "apex_asked", "apex_third"),
        CORNERS,
        tuple((a,) for a in range(20, 90, 10) if a != 60),
    ),
    "exterior_angle": Theorem(
        exterior_angle,
        ("past_corner", "between", "past_other"),
        ABC,
        tuple((a, b) for a in STEPS for b in STEPS if min(a, b) >= 30 and a + b <= 140 and a + b != 90),
    ),
    "right_triangle": Theorem(
        right_triangle,
        ("right_third", "right_asked"),
        CORNERS,
        tuple((a,) for a in range(20, 75, 5)),
    ),
    "line_from_corner": Theorem(
        line_from_corner,
        ("bisector", "altitude", "equal"),
        ABC,
        tuple(
            (b, c)
            for b in range(30, 75, 5)
            for c in range(30, 75, 5)
            if (b + c) % 10 == 0 and b not in (c, 45) and 3 * b + c != 180 and 180 - 2 * b - c >= 15
        ),
    ),
}
