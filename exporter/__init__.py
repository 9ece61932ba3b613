"""ClearML → dataset."""
