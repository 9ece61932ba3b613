"""The command line: says what was typed and shows what came out; no logic."""
