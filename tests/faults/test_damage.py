"""Damaged files: said, and made again from the archive."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pytest

from benchmarks.faults import marts_of
from tests.commands import CAMPUS, Opco, result_of

BLOCK_BYTES = 262_144
FIRST_BLOCK = 12_288


@pytest.fixture
def home(campus_home: Path, tmp_path: Path) -> Path:
    home = tmp_path / "home"
    shutil.copytree(campus_home, home, symlinks=True)
    return home


def _damage_the_table(file: Path, table: str) -> None:
    """Write over the blocks of one table, as a failing disk would."""
    with duckdb.connect(str(file), read_only=True) as connection:
        blocks = connection.execute(
            f"select distinct block_id from pragma_storage_info('{table}') where block_id >= 0"
        ).fetchall()
    assert blocks
    with file.open("r+b") as stream:
        for (block,) in blocks:
            stream.seek(FIRST_BLOCK + block * BLOCK_BYTES + 1000)
            stream.write(b"\xde\xad\xbe\xef" * 64)


def test_a_build_file_damaged_where_dbt_reads_it(home: Path, opco: Opco) -> None:
    before = marts_of(home / "var/published/opco.duckdb")
    _damage_the_table(home / "var/build/opco.duckdb", "staging.stg_learning_events")
    built = result_of(
        opco("build", "--raw", CAMPUS / "2026-11-20", "--as-of", "2026-11-20T22:00:00Z", "--json", home=home)
    )
    assert "the build file of the last build is damaged" in built["full_refresh_reason"]
    assert "Corrupt database file" in built["full_refresh_reason"]
    assert marts_of(home / "var/published/opco.duckdb") == before


def test_a_published_file_and_a_build_file_that_are_none(home: Path, opco: Opco) -> None:
    before = marts_of(home / "var/published/opco.duckdb")
    (home / "var/build/opco.duckdb").write_bytes(b"no DuckDB file")
    shown = (home / "var/published/opco.duckdb").resolve()
    # As a power cut would: what somebody wrote to is another matter.
    times = shown.stat()
    shown.chmod(0o640)
    shown.write_bytes(shown.read_bytes()[:-1000])
    os.utime(shown, ns=(times.st_atime_ns, times.st_mtime_ns))
    status = opco("status", home=home)
    assert status.returncode == 1
    assert "NOT READABLE" in status.stdout
    assert "`opco rollback` shows the build before it" in status.stdout
    export = opco("export", home=home)
    assert export.returncode == 1
    assert "opco rebuild" in export.stderr
    rebuilt = result_of(opco("rebuild", "--as-of", "2026-11-20T22:00:00Z", "--json", home=home))
    assert rebuilt["load"]["number"] == 2
    assert marts_of(home / "var/published/opco.duckdb") == before
    assert result_of(opco("status", "--check", "--json", home=home))["fault"] is None
    # The damaged one is still kept, and is not shown again.
    back = opco("rollback", shown.stem, home=home)
    assert back.returncode == 1
    assert "is not shown" in back.stderr
