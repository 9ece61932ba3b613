"""Figures of the best values of tasks: scatter, bars, histograms and parallel coordinates.

In come a dataset and what was asked for; out goes a ``Figure``. The best values are the answer of
the query ``leaderboard``, and those of groups that of ``group``, so that a figure and a table have
the same numbers. A task that cannot be drawn is counted in a note. Nothing here draws.
"""
