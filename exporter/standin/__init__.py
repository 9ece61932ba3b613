"""The embedded ClearML API on loopback, for the demo and the tests: strict, never kinder."""
