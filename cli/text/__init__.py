"""What people read after a command, one module per command.

Comes in: reports of ``exporter`` and ``queries``. Goes out: lines of text. Nothing is printed
here: ``cli.output`` does that.
"""
