"""Runs the command line as `python -m carina`."""

from carina.cli.main import main

main()
