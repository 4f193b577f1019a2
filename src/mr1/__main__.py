"""`python -m mr1`."""

from mr1.cli import main

main()
