"""Replaces credentials in texts by ``<redacted>``. Pure.

Comes in: parameters, comments and addresses as people typed them. Goes out: the same texts without
what looks like a credential. The formats and the telling words are data, one rule and one source
per line (``formats.tsv``, ``words.tsv``), so a rule can be added without reading the code.
"""
