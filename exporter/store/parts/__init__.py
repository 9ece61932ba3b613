"""Part files: points are staged, sorted, encoded, merged, rewritten and compacted.

Comes in: Arrow batches and rows. Goes out: sorted Parquet files of bounded size, and the series
computed from them. Memory does not grow with the number of rows. Which files form a snapshot is
decided in ``writing``.
"""
