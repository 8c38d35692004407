"""Makes a Parquet file of a CSV that this package wrote, and says in which form it writes Parquet."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from crowdmask.errors import OutputError
from crowdmask.results.timeline.sql import first_line, sql_path, sql_text

MEMORY = "512MB"


def parquet_of(rows: Path, made: Path, kinds: Mapping[str, str], words: Mapping[str, str]) -> None:
    """Write `rows`, a CSV with a header and the columns of `kinds`, in its order; `words` are the file's metadata.

    An empty field is a null. Memory is bounded, whatever the number of rows.
    """
    import duckdb

    columns = ", ".join(f"{sql_text(name)}: {sql_text(kind)}" for name, kind in kinds.items())
    # told everything: what DuckDB finds out by itself it finds out from the first rows
    reader = (
        f"read_csv({sql_path(rows)}, header = true, columns = {{{columns}}}, auto_detect = false, delim = ',', "
        "quote = '\"', escape = '\"', nullstr = '', new_line = '\\n', parallel = false)"
    )
    with tempfile.TemporaryDirectory(prefix="crowdmask-", ignore_cleanup_errors=True) as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": "1",  # the same bytes every time
            "memory_limit": MEMORY,
            "temp_directory": spill,
            "autoinstall_known_extensions": "false",
        }
        with closing(duckdb.connect(config=config)) as connection:
            try:
                connection.execute(f"COPY (SELECT * FROM {reader}) TO {sql_text(str(made))} ({parquet_form(words)})")
            except duckdb.Error as error:
                made.unlink(missing_ok=True)
                reason = first_line(error)
                raise OutputError(f"cannot make Parquet of {rows} ({reason}): its rows are there, as CSV") from error


def parquet_form(words: Mapping[str, str]) -> str:
    """Options of COPY for a Parquet file as this package writes it, with `words` as its metadata."""
    told = ", ".join(f"{sql_text(name)}: {sql_text(word)}" for name, word in words.items())
    return "FORMAT parquet, COMPRESSION zstd" + (f", KV_METADATA {{{told}}}" if told else "")
