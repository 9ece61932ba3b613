"""Starts the command line as ``python -m clearml_snapshot``."""

from clearml_snapshot.cli.__main__ import program

if __name__ == "__main__":
    program()
