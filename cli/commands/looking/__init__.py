"""Commands that show a dataset to the eye: in the terminal, as pictures and as pages."""
