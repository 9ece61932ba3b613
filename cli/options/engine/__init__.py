"""What can be typed about the engine that answers: DuckDB in this process, or Spark.

Comes in: strings of the command line. Goes out: the engine, ready to answer. Spark is loaded only
if it was chosen.
"""
