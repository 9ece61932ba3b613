"""Draws a figure: as text for a terminal, and as Vega-Lite, SVG, PNG, PDF and HTML.

Comes in: a figure. Goes out: text or bytes. Nothing here reads a dataset.
"""
