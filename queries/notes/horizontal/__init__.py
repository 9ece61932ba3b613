"""Notes on the horizontal axis of curves: points without a place on it, and points moved on it."""
