"""Excel workbooks.

Comes in: the rows of an answer. Goes out: a workbook with one sheet. This never rounds a number,
never cuts a text and never writes a formula: what a cell cannot hold as a number is text, and what
a sheet cannot hold is an error.
"""
