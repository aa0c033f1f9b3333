from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from warehouse.arrivals import ArrivalState, Decision, decide, parse_state, snapshot_of

START = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
QUIET = timedelta(minutes=10)


class Folder:
    """A raw folder that is looked at once a minute, each look remembering the last as the sensor's cursor does."""

    def __init__(self, path: Path, complete_when: Literal["done_file", "quiet"]) -> None:
        self.path, self.complete_when = path, complete_when
        self.now, self.cursor, self.writes = START, "", 0
        path.mkdir()

    def write(self, name: str, text: str) -> None:
        """Write a file; each write is a minute later than the last, by the clock of its copy."""
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.writes += 1
        os.utime(path, ns=(0, self.writes * 60_000_000_000))

    def look(self) -> Decision:
        self.now += timedelta(minutes=1)
        decision = decide(parse_state(self.cursor), snapshot_of(self.path), self.now, self.complete_when, QUIET)
        self.cursor = decision.taken().as_text()
        return decision

    def looks(self, minutes: int) -> list[bool]:
        return [self.look().delivery is not None for _ in range(minutes)]


@pytest.fixture
def with_done(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "raw", "done_file")


@pytest.fixture
def with_quiet(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "raw", "quiet")


def test_done_after_the_files_tells_a_delivery_once(with_done: Folder) -> None:
    folder = with_done
    assert folder.look().reason == "The raw folder is empty."
    folder.write("users.csv", "user_id\n")
    folder.write("learning_events/1.jsonl", "{}\n")
    assert folder.looks(20) == [False] * 20
    assert "no file _DONE" in folder.look().reason
    folder.write("_DONE", "")
    assert folder.looks(15) == [False, True, *[False] * 13]
    assert folder.look().reason == "No new delivery."


def test_a_new_done_tells_the_next_delivery(with_done: Folder) -> None:
    folder = with_done
    folder.write("users.csv", "user_id\n")
    folder.write("_DONE", "")
    assert folder.looks(2) == [False, True]
    folder.write("users.csv", "user_id\n1\n")
    # The old mark says nothing of what comes after it, however long nothing more comes.
    assert folder.looks(15) == [False] * 15
    assert folder.look().reason == "Files changed since the last _DONE: a new one is waited for."
    folder.write("_DONE", "")
    assert folder.looks(3) == [False, True, False]


def test_done_before_the_files_waits_until_no_more_come(with_done: Folder) -> None:
    folder = with_done
    folder.write("_DONE", "")
    assert folder.look().reason == "The raw folder is empty."
    for rows in range(5):
        folder.write("users.csv", "user_id\n" * (rows + 1))
        decision = folder.look()
        assert decision.delivery is None
        assert "1 files, the same since 2026-11-25T03:0" in decision.reason
    assert folder.looks(11) == [*[False] * 9, True, False]


@pytest.mark.parametrize("name", ["learning_events/.1.jsonl.Xa2b", ".courses.csv.Xa2b"])
def test_a_copy_that_grows_under_another_name_is_seen(with_done: Folder, name: str) -> None:
    folder = with_done
    folder.write("users.csv", "user_id\n")
    folder.write("_DONE", "")
    for rows in range(5):
        # As rsync does, which also sends `_DONE` first.
        folder.write(name, "{}\n" * (rows + 1))
        assert folder.look().delivery is None


def test_quiet_tells_a_delivery_once_its_files_no_longer_change(with_quiet: Folder) -> None:
    folder = with_quiet
    for rows in range(15):
        folder.write("users.csv", "user_id\n" * (rows + 1))
        assert folder.look().delivery is None
    assert folder.looks(25) == [*[False] * 9, True, *[False] * 15]
    folder.write("users.csv", "user_id\n")
    assert folder.looks(12) == [*[False] * 10, True, False]
    (folder.path / "users.csv").unlink()
    assert folder.looks(15) == [False] * 15


def test_a_delivery_that_is_not_taken_stays_complete(with_done: Folder) -> None:
    folder = with_done
    folder.write("users.csv", "user_id\n")
    folder.write("_DONE", "")
    folder.look()
    seen = folder.look()
    waits = decide(seen.state, snapshot_of(folder.path), folder.now, "done_file", QUIET)
    assert waits.delivery == seen.delivery is not None


@pytest.mark.parametrize("cursor", [None, "", "no json", "[1]", '{"other": 1}'])
def test_a_cursor_that_cannot_be_read_has_seen_nothing(cursor: str | None) -> None:
    assert parse_state(cursor) == ArrivalState()
    assert parse_state(ArrivalState("a", "b", "c", "d", "e").as_text()) == ArrivalState("a", "b", "c", "d", "e")
