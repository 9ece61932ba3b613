"""Brings a snapshot of a bucket, or some of its files, to this machine for the time of a command.

A manifest that was read comes in; the folder of that snapshot goes out, as it would be in a dataset
folder. Every file is compared with its hash while it arrives.
"""
