"""Dataset → answers."""
