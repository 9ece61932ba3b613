"""Replaces credentials in texts by ``<redacted>``; it does no input or output.

Comes in: parameters, comments and addresses as people typed them. Goes out: the same texts without
what looks like a credential. The formats and the words that announce a credential are data, one
rule and one source per line (``formats.tsv``, ``words.tsv``), so a rule can be added without
reading the code.
"""
