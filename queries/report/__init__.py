"""Writes a report: one HTML file with a leaderboard and curves that needs only a browser.

In come a dataset and ``ReportOptions``; out goes the text of a page. Points are thinned by DuckDB
if they do not fit, so that no spike is lost, and are included as compressed columns; names are JSON
that cannot end its script element. The page loads nothing: its policy allows its own script and
styles, by their hashes. The same contents give the same bytes. Nothing here writes a file.

``vendor/`` is uPlot 1.6.32 from npm (MIT), unchanged; a test compares its hashes. ``inline/`` has
the page, its style and its script.
"""
