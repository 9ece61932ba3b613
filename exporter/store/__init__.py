"""The dataset on disk: no network, no ClearML."""
