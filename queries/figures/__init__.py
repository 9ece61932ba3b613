"""Figures: what is drawn of a dataset, and the texts, pictures and pages that draw it.

In come a dataset and the curves that were asked for; out goes a ``Figure``, whose points DuckDB has
thinned so that no spike is lost, and from it text for a terminal, Vega-Lite, SVG, PNG, PDF or HTML
as text or bytes. Nothing here writes a file or prints. Names come from other people, and ``labels``
makes every one of them harmless and short before a writer sees it.
"""
