"""The command: see the package."""

from __future__ import annotations

import argparse
from pathlib import Path

from mr1.models import small


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m mr1.models.small", description=(small.__doc__ or "").splitlines()[0]
    )
    parser.add_argument("family", choices=small.families())
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=Path, help="a checkpoint's folder: tokenizer, processor and token ids")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    small.build_small(arguments.family, arguments.folder, arguments.files, arguments.seed)
    print(f"{arguments.folder}: a small random {arguments.family}")


if __name__ == "__main__":
    main()
