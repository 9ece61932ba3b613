"""The questions of ``clearml-snapshot query``: one ``.sql`` file each, and nothing else.

The header of each file says what it answers and declares its parameters; ``queries.ask.header``
reads it. ``tests/queries/catalogue`` checks each against the same answer in plain Python.
"""
