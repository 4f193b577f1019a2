"""Read hostile inputs of a kind; print what became of them, and exit with 1 where one crashed or hung.

    python -m benchmarks.fuzz images --inputs 10000 --seed 0
    python -m benchmarks.fuzz images --inputs 1 --first 4711      # one of them again

First come those of the corpus (tests/corpus), then those that are drawn from (seed, number). Each batch is read by a
process of its own, so that one that dies or hangs takes nothing else along: the next process goes on behind it. An
input must be read, or be refused by a message on one line that names what is wrong; anything else is a crash.
"""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks.fuzz.harness import fuzz
from benchmarks.fuzz.kinds import KINDS


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--inputs", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="other inputs for another seed (default: 0)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first (default: 0)")
    arguments = parser.parse_args()
    result = fuzz(arguments.kind, arguments.inputs, arguments.seed, arguments.first)
    print(json.dumps(result, indent=2))
    sys.exit(1 if result["crashes"] or result["hangs"] else 0)


if __name__ == "__main__":
    main()
