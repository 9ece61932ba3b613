"""What Typer does not do: groups of options, sections of help, and safe shell completion.

Comes in: the Typer application, and the command line at TAB. Goes out: parameters grouped into
frozen objects, help in sections, and plain lines of candidates that no shell evaluates. Private
names of Typer are used here and nowhere else.
"""
