"""What Typer does not do: groups of options, sections of help, and safe shell completion.

Comes in: the Typer application, and the command line at TAB. Goes out: parameters grouped into
frozen objects, help in sections, and plain lines of completions that no shell evaluates. Typer's
private names are imported in ``private.py`` and nowhere else.
"""
