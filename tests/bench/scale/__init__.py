"""A simulation at 1/1000 of what docs/scale.md plans: ``python -m tests.bench.scale``."""
