"""Section titles in help: of the commands, and of a command's options."""

from typing import Final

QUERY: Final = "Query"
EXPORT: Final = "Export"
MAINTAIN: Final = "Inspect and maintain"
SHARE: Final = "Share"
"""Sections of commands."""

QUERY_OPTIONS: Final = "Query options"
DATASET: Final = "Dataset"
TASKS: Final = "Task filter (combined with AND)"
METRICS: Final = "Metric filter"
METRIC_NAMES: Final = "Metric names"
OUTPUT: Final = "Output"
LIMITS: Final = "Query limits"
SERVER: Final = "Server"
RUN_LIMITS: Final = "Limits on this run (exit code 7; run again to continue)"
REREAD: Final = "Rechecking stored tasks"
STORED: Final = "Storage"
SOURCES: Final = "Sources"
REDACTION: Final = "Redaction"
"""Sections of options."""
