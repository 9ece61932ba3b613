"""Dataset folders on a web server, which is only read; a dataset as in a bucket needs none of it.

An address comes in; the texts of a snapshot come out, compared with their hashes like those of a
bucket.
"""
