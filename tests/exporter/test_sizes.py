"""Sizes in words, and as DuckDB writes them."""

import duckdb
import pytest

from clearml_snapshot.exporter.sizes import size_in_bytes, size_in_words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (4_510_000_000, "4.5 GB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_a_size_in_words_has_one_decimal(count: int, words: str) -> None:
    assert size_in_words(count) == words


@pytest.mark.parametrize("limit", ["300MB", "2GB", "1.5TiB", "64KiB"])
def test_the_size_that_duckdb_reports_is_read(limit: str) -> None:
    with duckdb.connect(config={"memory_limit": limit}) as connection:
        ((text,),) = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    number = float(limit.rstrip("KMGTiB"))
    unit = limit[len(f"{number:g}") :]
    powers = {"B": 1, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "TiB": 2**40}
    assert size_in_bytes(text) == pytest.approx(number * powers[unit], rel=0.05)


@pytest.mark.parametrize("text", ["", "many", "5 XB", "MB"])
def test_another_text_is_not_a_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size_in_bytes(text)
