"""What is said below an answer: how complete it is, which zeros are suspect, why it is empty.

Comes in: a dataset and the filters of a question. Goes out: counts and sentences. An answer itself
is never changed here.
"""
