"""What can be typed, as frozen objects that commands receive.

Comes in: strings of the command line and of environment variables. Goes out: checked values, such
as a task filter, a snapshot reference or limits of a query. Options that several commands share
are declared here once, with their help. Only ``query_limits`` opens a dataset.
"""
