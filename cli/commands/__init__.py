"""One file per command: declare the options, call one function, print what it returns.

Comes in: the option objects of ``cli.options``. Goes out: calls into ``exporter`` and ``queries``;
rows to ``cli.output``, sentences from ``cli.text``. A command never writes to stdout or stderr
itself, and never talks to a server or to DuckDB.
"""
