"""The theorems on lines and circles: parallels, vertical angles, right angles, bisectors, and angles in a circle."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np

from mr1.tasks.geometry.problem import Figure, Problem, Theorem, Values, angle, ask, pair
from mr1.tasks.geometry.triangles import polar


def parallels(variant: str, names: str, values: Values, rng: np.random.Generator) -> Problem:
    """Two parallels and a transversal XY that meets them at M and N; the figure shows where angles 1 and 2 stand."""
    p, q, r, s = tuple(names)
    (a,) = values
    right, inner = bool(rng.integers(2)), variant != "corresponding" or bool(rng.integers(2))
    right_2 = right != (variant == "alternate")
    inner_2 = inner != (variant == "corresponding")
    asked = 180 - a if variant == "co_interior" else a
    reasoning = {
        "corresponding": f"1 and 2 are corresponding angles, {asked}",
        "alternate": f"1 and 2 are alternate angles, {asked}",
        "co_interior": f"1 and 2 are co-interior angles. 180 - {a} = {asked}",
    }[variant]
    # Angle 1 stands at M on the upper parallel, below it if it is an inner one: so its degrees fix the transversal.
    slope = a if right != inner else 180 - a
    shift = rng.uniform(-0.15, 0.15)
    step = polar(0.5 / math.sin(math.radians(slope)), slope)
    end = step + polar(0.5, slope)
    points = {"X": end, "Y": -end, "M": step, "N": -step}
    points |= {p: shift - 1.1 + 0.5j, q: shift + 1.1 + 0.5j, r: -shift - 1.1 - 0.5j, s: -shift + 1.1 - 0.5j}
    if rng.integers(2):
        points = {name: -point for name, point in points.items()}
    one = angle("N" if inner else "X", "M", q if right else p)
    two = angle("M" if inner_2 else "Y", "N", s if right_2 else r)
    return Problem(
        ask(f"{p}{q} parallel {r}{s}, angle 1 = {a}°", "2"),
        Figure(points, (p + q, r + s, "XY"), labels=names, numbers={"1": one, "2": two}),
        {"1": one},
        two,
        {one: a, two: asked},
        reasoning,
    )


def crossing(variant: str, names: str, values: Values, rng: np.random.Generator) -> Problem:
    """Two lines that cross; the figure shows whether angles 1 and 2 are opposite or side by side."""
    p, q, r, s = tuple(names)
    (a,) = values
    if rng.integers(2):
        r, s = s, r
    turn = int(rng.integers(2)) * 180
    at = {p: 0, r: a, q: 180, s: 180 + a}
    points = {name: polar(rng.uniform(0.85, 1.0), turn + degrees) for name, degrees in at.items()}
    points["O"] = 0j
    one = angle(p, "O", r)
    if variant == "opposite":
        two, asked, reasoning = angle(q, "O", s), a, f"1 and 2 are vertical angles, {a}"
    else:
        two = angle(*((p, "O", s), (q, "O", r))[int(rng.integers(2))])
        asked, reasoning = 180 - a, f"1 and 2 on one line. 180 - {a} = {180 - a}"
    return Problem(
        ask(f"lines {pair(p, q)} and {pair(r, s)} intersect, angle 1 = {a}°", "2"),
        Figure(points, (p + q, r + s), labels=names, numbers={"1": one, "2": two}),
        {"1": one},
        two,
        {one: a, two: asked},
        reasoning,
    )


def right_angle(variant: str, names: str, values: Values, rng: np.random.Generator) -> Problem:
    """O on line AB, with rays OC and OD: at right angles on one side of AB or on two sides, or making one line."""
    p, q, r, s = tuple(names)
    (a,) = values
    at = {"one_side": 90 - a, "two_sides": -90 - a, "one_line": -a}[variant]
    asked = abs(at)
    first, second, wanted = angle(p, "O", r), angle(r, "O", s), angle(q, "O", s)
    points = {p: -1 + 0j, q: 1 + 0j, r: polar(rng.uniform(0.9, 1), 180 - a), s: polar(rng.uniform(0.9, 1), at), "O": 0j}
    reasoning = {
        "one_side": f"right angle {second} on one side of {pair(p, q)}. 90 - {a} = {asked}",
        "two_sides": f"right angle {second} across {pair(p, q)}. 90 + {a} = {asked}",
        "one_line": f"{pair(r, s)} is one line, vertical angles, {asked}",
    }[variant]
    return Problem(
        ask(f"O is on line {pair(p, q)}, angle {first} = {a}°", wanted),
        Figure(
            points,
            (p + q, "O" + r, "O" + s),
            labels=names + "O",
            squares=() if variant == "one_line" else (second,),
        ),
        {first: first},
        wanted,
        {first: a, wanted: asked},
        reasoning,
    )


def bisector(variant: str, names: str, values: Values, rng: np.random.Generator) -> Problem:
    """Three rays, the middle one a bisector; the figure shows which one that is."""
    p, q, r = tuple(names)
    (a,) = values
    asked = {"third_middle": 2 * a, "first_middle": a, "second_middle": a // 2}[variant]
    middle = {"third_middle": r, "first_middle": p, "second_middle": q}[variant]
    half = {"third_middle": a, "first_middle": a, "second_middle": a // 2}[variant]
    low, high = sorted({p, q, r} - {middle}, reverse=bool(rng.integers(2)))
    start = 90 - half + rng.uniform(-30, 30)
    points = {name: polar(rng.uniform(0.9, 1), start + i * half) for i, name in enumerate((low, middle, high))}
    points["O"] = 0j
    given, wanted = angle(p, "O", r), angle(p, "O", q)
    arcs = angle(low, "O", middle), angle(middle, "O", high)
    seen = f"O{middle} in the middle, so angle {min(arcs)} = angle {max(arcs)}"
    steps = {
        "third_middle": f". {a} + {a} = {asked}",
        "first_middle": f", {asked}",
        "second_middle": f". {a} / 2 = {asked}",
    }[variant]
    return Problem(
        ask(f"equal arcs mark equal angles, angle {given} = {a}°", wanted),
        Figure(points, ("O" + low, "O" + middle, "O" + high), labels=names + "O", arcs=arcs),
        {given: given},
        wanted,
        {given: a, wanted: asked},
        seen + steps,
    )


def central_angle(variant: str, names: str, values: Values, rng: np.random.Generator) -> Problem:
    """A central angle and an inscribed one on the same chord, whose corner is on the major or on the minor arc."""
    p, q, r = tuple(names)
    (a,) = values
    start = int(rng.integers(4)) * 90 - a / 2
    half = a // 2
    part = rng.uniform(0.35, 0.65)
    if variant == "major_arc":
        corner, asked = start + a + part * (360 - a), half
        reasoning = f"{r} on the major arc. {a} / 2 = {half}"
    else:
        corner, asked = start + part * a, 180 - half
        reasoning = f"{r} on the minor arc. {a} / 2 = {half}, 180 - {half} = {asked}"
    ends = (p, q) if rng.integers(2) else (q, p)
    points = {ends[0]: polar(1, start), ends[1]: polar(1, start + a), r: polar(1, corner), "O": 0j}
    given, wanted = angle(p, "O", q), angle(p, r, q)
    facts = f"{', '.join(sorted(names))} are on circle O, angle {given} = {a}°"
    return Problem(
        ask(facts, wanted),
        Figure(points, ("O" + p, "O" + q, r + p, r + q), labels=names + "O", circle="O" + p, dots="O"),
        {given: given},
        wanted,
        {given: a, wanted: asked},
        reasoning,
    )


def inscribed_angles(variant: str, names: str, values: Values, rng: np.random.Generator) -> Problem:
    """Two inscribed angles over one chord, their corners on the same side of it or on two sides."""
    p, q, r, s = tuple(names)
    (a,) = values
    chord = pair(p, r)
    start = int(rng.integers(4)) * 90 - a
    near = 2 * a  # the arc over which the given angle stands; its corner is on the rest of the circle
    rest = 360 - near
    ends = (p, r) if rng.integers(2) else (r, p)
    points = {ends[0]: polar(1, start), ends[1]: polar(1, start + near), "O": 0j}
    if variant == "one_side":
        places = start + near + rest * rng.uniform(0.25, 0.35), start + near + rest * rng.uniform(0.65, 0.75)
        flip = int(rng.integers(2))
        points[q], points[s] = polar(1, places[flip]), polar(1, places[1 - flip])
        asked, reasoning = a, f"{q} and {s} on one side of {chord}, {a}"
    else:
        points[q] = polar(1, start + near + rest * rng.uniform(0.35, 0.65))
        points[s] = polar(1, start + near * rng.uniform(0.35, 0.65))
        asked, reasoning = 180 - a, f"{q} and {s} on two sides of {chord}. 180 - {a} = {180 - a}"
    given, wanted = angle(p, q, r), angle(p, s, r)
    facts = f"{', '.join(sorted(names))} are on a circle, angle {given} = {a}°"
    return Problem(
        ask(facts, wanted),
        Figure(points, (p + q, q + r, p + s, s + r), labels=names, circle="O" + p),
        {given: given},
        wanted,
        {given: a, wanted: asked},
        reasoning,
    )


ABCD = tuple("".join(letters) for letters in permutations("ABCD"))
TWO_LINES = tuple(
    first + second
    for first, second in combinations(("".join(ends) for ends in combinations("ABCDEF", 2)), 2)
    if not set(first) & set(second)
)

LINES = {
    "parallels": Theorem(
        parallels,
        ("corresponding", "alternate", "co_interior"),
        TWO_LINES,
        tuple((a,) for a in range(45, 140, 5) if a != 90),
    ),
    "crossing": Theorem(
        crossing, ("opposite", "adjacent"), TWO_LINES, tuple((a,) for a in range(35, 150, 5) if a != 90)
    ),
    "right_angle": Theorem(
        right_angle,
        ("one_side", "two_sides", "one_line"),
        ABCD,
        tuple((a,) for a in range(20, 75, 5) if a != 45),
    ),
    "bisector": Theorem(
        bisector,
        ("third_middle", "first_middle", "second_middle"),
        tuple("".join(letters) for letters in permutations("ABCDE", 3)),
        tuple((a,) for a in range(40, 90, 10)),
    ),
    "central_angle": Theorem(
        central_angle,
        ("major_arc", "minor_arc"),
        tuple("".join(letters) for letters in permutations("ABCD", 3) if letters[0] < letters[1]),
        tuple((a,) for a in range(60, 160, 10)),
    ),
    "inscribed_angles": Theorem(
        inscribed_angles,
        ("one_side", "two_sides"),
        tuple(names for names in ABCD if names[0] < names[2]),
        tuple((a,) for a in range(40, 110, 5) if a != 90),
    ),
}
