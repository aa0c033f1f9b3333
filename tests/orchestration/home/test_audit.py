"""The chain of the audit log: what was changed, deleted or cut is told, and what an honest program leaves is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opco.cli import run
from orchestration.home.audit import HEAD, AuditLog
from orchestration.home.paths import Home
from portal.identity.store import FILE, IdentityStore, forget_addresses
from warehouse.errors import OpcoError
from warehouse.forgotten import Identifiers

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A day passes at each look."""

    def __init__(self) -> None:
        self.day = 0

    def __call__(self) -> datetime:
        self.day += 1
        return BEGIN + timedelta(days=self.day)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog(tmp_path / "portal" / "audit.jsonl", now=Clock())
    for number in range(5):
        log.add("attestations_downloaded", email="é@exemple.fr", client="c", session_id=f"S-{number}")
    return log


def day(number: float) -> datetime:
    return BEGIN + timedelta(days=number)


def edit(log: AuditLog, change: Callable[[list[bytes]], list[bytes]]) -> None:
    log.path.write_bytes(b"".join(change(log.path.read_bytes().splitlines(keepends=True))))


def test_an_untouched_log_is_sound(log: AuditLog, tmp_path: Path) -> None:
    assert log.fault() is None
    assert AuditLog(tmp_path / "none" / "audit.jsonl").fault() is None
    lines = [json.loads(line) for line in log.path.read_text(encoding="utf-8").splitlines()]
    assert [line["previous"] is None for line in lines] == [True, False, False, False, False]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [line.replace(b"S-2", b"S-9") for line in lines],
        lambda lines: [line.replace(b"exemple", b"example") if b"S-4" in line else line for line in lines],
        lambda lines: [line.replace(b"S-0", b"S-9") for line in lines],
        lambda lines: lines[:2] + lines[3:],
        lambda lines: lines[1:],
        lambda lines: lines[:-1],
        lambda lines: lines[:-2],
        lambda lines: lines[:1],
        lambda lines: [],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [*lines[:2], b'{"at": "2026-01-02", "action": "signed_in"}\n', *lines[2:]],
        lambda lines: [*lines, b'{"at": "2026-01-09", "action": "signed_in"}\n'],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:2], b"x\n", *lines[3:]],
    ],
)  # fmt: skip
def test_whatever_is_done_to_it_is_told(log: AuditLog, change: Callable[[list[bytes]], list[bytes]]) -> None:
    edit(log, change)
    said = log.fault()
    assert said
    assert str(log.path) in said
    # No proof is thrown away in such a state.
    with pytest.raises(OpcoError):
        log.cut(day(3), by="x", reason="x")


def test_a_log_or_a_head_that_is_gone_is_told(log: AuditLog) -> None:
    head = log.path.with_name(HEAD)
    content = head.read_text()
    head.unlink()
    assert log.fault()
    head.write_text(content)
    assert log.fault() is None
    log.path.unlink()
    assert "is gone" in (log.fault() or "")


def test_what_a_machine_that_stopped_leaves_is_sound(log: AuditLog) -> None:
    before = log.path.with_name(HEAD).read_text()
    log.add("signed_in", email=None, client="c")
    # Between the line and its hash.
    log.path.with_name(HEAD).write_text(before)
    assert log.fault() is None
    # In the middle of a line, and at its end.
    for rest in (b'{"at": "2026', b"\xff", None):
        if rest is None:
            before = log.path.with_name(HEAD).read_text()
            log.add("signed_in", email=None, client="c")
            log.path.write_bytes(log.path.read_bytes().removesuffix(b"\n"))
            log.path.with_name(HEAD).write_text(before)
        else:
            log.path.write_bytes(log.path.read_bytes() + rest)
        assert log.fault() is None
        log.add("signed_in", email=None, client="c")
        assert log.fault() is None
    edit(log, lambda lines: [line.replace(b"\xff", b"\xfe") for line in lines])
    assert log.fault()


def test_what_an_older_program_wrote_is_held_from_then_on(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", now=Clock())
    old = [f'{{"at": "2025-12-3{number}T00:00:00.000000Z", "action": "signed_in"}}\n'.encode() for number in range(2)]
    log.path.write_bytes(b"".join(old))
    assert log.fault() is None
    log.add("signed_in", email=None, client="x" * 200_000)
    log.add("signed_in", email=None, client="c")
    assert log.fault() is None
    # All of it or nothing of it.
    assert log.cut(datetime(2025, 12, 31, tzinfo=UTC), by="x", reason="x") == 0
    content = log.path.read_bytes()
    edit(log, lambda lines: lines[1:])
    assert log.fault()
    log.path.write_bytes(content)
    assert log.cut(BEGIN, by="x", reason="x") == 2
    assert log.fault() is None


def test_a_cut_leaves_an_entry_and_not_a_gap(log: AuditLog) -> None:
    assert log.cut(day(0.5), by="account opco", reason="of age") == 0
    assert log.cut(day(2.5), by="account opco", reason="of age") == 2
    assert log.fault() is None
    log.add("signed_in", email=None, client="c")
    assert log.cut(day(4.5), by="account opco", reason="of age") == 3
    assert log.fault() is None
    lines = [json.loads(line) for line in log.path.read_text(encoding="utf-8").splitlines()]
    assert [line["action"] for line in lines] == [
        "audit_log_cut", "attestations_downloaded", "audit_log_cut", "signed_in", "audit_log_cut",
    ]  # fmt: skip
    assert (lines[0]["client"], lines[0]["reason"], lines[0]["until"][:10]) == ("account opco", "of age", "2026-01-05")
    content = log.path.read_bytes()
    for change in (
        lambda lines: lines[1:],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[0].replace(b"of age", b"no age"), *lines[1:]],
        lambda lines: lines[:-1],
    ):
        edit(log, change)
        assert log.fault()
        log.path.write_bytes(content)
    assert log.cut(day(400), by="account opco", reason="of age") == 5
    assert log.fault() is None


def test_the_status_tells_of_it_when_it_is_checked(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    log = AuditLog.of(home)
    for _ in range(3):
        log.add("signed_in", email=None, client="c")

    def status(*options: str) -> str:
        run(["status", "--home", str(home.folder), *options])
        return capsys.readouterr().out

    assert "Audit log" not in status()
    assert f"Audit log as it was written; its head is {log.head}" in status("--check")
    edit(log, lambda lines: lines[:1] + lines[2:])
    assert "Audit log NOT AS IT WAS WRITTEN" in status("--check")
    answer = json.loads(status("--check", "--json"))
    assert (answer["ok"], "line 2" in answer["audit_fault"]) == (False, True)


def test_who_is_forgotten_is_signed_in_no_more(home: Home) -> None:
    store = IdentityStore(home.portal / FILE, "x" * 32, timedelta(hours=1), timedelta(hours=12))
    keys = {}
    for email in ("lea.martin@exemple.fr", "claire@exemple.fr"):
        store.keep_link(email, "/", BEGIN)
        keys[email] = store.begin_stay(email, "link", BEGIN)
    forget_addresses(home.portal / FILE, Identifiers(("lea.martin@exemple.fr",)).are_in)
    assert {email: store.email_of_stay(key, BEGIN) for email, key in keys.items()} == {
        "lea.martin@exemple.fr": None, "claire@exemple.fr": "claire@exemple.fr",
    }  # fmt: skip
    assert b"martin" not in (home.portal / FILE).read_bytes()
