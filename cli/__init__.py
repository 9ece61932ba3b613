"""The command line: parses arguments, calls one function, prints the result.

Comes in: arguments, environment variables, files named with ``-f``. Goes out: data on stdout,
notes and errors on stderr, and an exit code. What a command does is implemented in
``exporter`` and ``queries``, which can be used without it. Nothing heavy is imported before a
command needs it, so that ``--help`` and completion are fast.
"""
