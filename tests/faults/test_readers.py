"""Readers during publishes."""

from __future__ import annotations

from pathlib import Path

from benchmarks.faults import publish_under_readers


def test_readers_never_see_a_mixed_build_nor_an_error(tmp_path: Path) -> None:
    assert publish_under_readers(tmp_path, 3, 5, 100_000) > 0
