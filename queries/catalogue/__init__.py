"""The queries of ``clearml-snapshot query``, one ``.sql`` file each.

The header of each file describes what it answers and declares its parameters;
``queries.ask.header`` reads it. ``tests/queries/catalogue`` checks each against the same answer in
plain Python.
"""
