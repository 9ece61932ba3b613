"""What HTML pages have in common: how other people's text is escaped, and what pages say first.

In come templates and values from a dataset; out goes text in which every name is harmless: escaped,
without invisible characters, and shortened. ``totals.sql``, ``problems.sql`` and others ask what is
complete. Nothing here writes a file.
"""
