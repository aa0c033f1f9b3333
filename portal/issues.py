"""What was issued, as the pages list it: read from the issues' folders, which never change once they are there."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa

from reports.issuing.manifest import MANIFEST, IssuedDocument, Manifest, issue_folders, read_manifest
from reports.issuing.naming import session_folder, zip_of_issue
from reports.issuing.removal import RECORD, Removal, read_removal
from warehouse.errors import OpcoError

READ_EVERY_SECONDS = 5.0


COLUMNS = pa.schema([("session_id", pa.string()), ("issue_number", pa.int64()), ("issued_at", pa.timestamp("us"))])
NOTHING = COLUMNS.empty_table()


@dataclass(frozen=True)
class Issue:
    """One issue of a session's documents."""

    number: int
    folder: Path
    manifest: Manifest

    @property
    def zip_path(self) -> Path:
        """The ZIP of all its documents."""
        return zip_of_issue(self.folder, self.manifest)

    @property
    def zip_bytes(self) -> int:
        """The size of that ZIP; 0 where it is not there."""
        return self.zip_path.stat().st_size if self.zip_path.exists() else 0

    @property
    def total_seconds(self) -> int:
        """What its documents print, together."""
        return sum(document.total_seconds for document in self.manifest.documents)

    @property
    def issued_on(self) -> date:
        """The date that its new documents carry."""
        return date.fromisoformat(self.manifest.issued_on)

    @property
    def removal(self) -> Removal | None:
        """When its documents were removed, and by whom; None where they are still there."""
        try:
            return read_removal((self.folder / RECORD).read_bytes())
        except OSError:
            return None

    def document(self, file: str) -> IssuedDocument | None:
        """Return the document of a file's name; None when the issue holds none of it."""
        return next((one for one in self.manifest.documents if one.file == file), None)


@dataclass(frozen=True)
class _Latest:
    changed_ns: int
    number: int
    made_at: datetime


class Issues:
    """The issues under the home's folder of attestations."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._latest: dict[str, _Latest] = {}
        self._build_id: str | None = None
        self._table = NOTHING

    def of_session(self, session_id: str) -> list[Issue]:
        """Return the readable issues of a session, the latest first."""
        folders = reversed(issue_folders(session_folder(self._folder, session_id)))
        found = (read_issue(session_id, number, folder) for number, folder in folders)
        return [issue for issue in found if issue is not None]

    def find(self, session_id: str, number: int) -> Issue | None:
        """Return one issue of a session; None when there is none."""
        return read_issue(session_id, number, session_folder(self._folder, session_id) / f"issue-{number}")

    def latest(self, db: duckdb.DuckDBPyConnection, build_id: str) -> pa.Table:
        """Return the latest issue of each session of a build, as it was a few seconds ago at most.

        Columns: `session_id`, `issue_number`, `issued_at` (UTC).
        """
        with self._lock:
            is_new = self._build_id != build_id
            if time.monotonic() - self._read_at > READ_EVERY_SECONDS:
                before = self._latest
                self._read_folders()
                self._read_at = time.monotonic()
                is_new = is_new or before != self._latest
            if is_new:
                self._table = self._listed(db)
                self._build_id = build_id
            return self._table

    def forget(self) -> None:
        """Look again at once: something was issued."""
        self._read_at = 0.0

    def _listed(self, db: duckdb.DuckDBPyConnection) -> pa.Table:
        ids = db.execute("select session_id from dim_program_sessions").fetchall() if self._latest else []
        found = [
            (session_id, one.number, one.made_at)
            for (session_id,) in ids
            if (one := self._latest.get(session_folder(self._folder, session_id).name)) is not None
        ]
        return pa.table([list(column) for column in zip(*found, strict=True)], schema=COLUMNS) if found else NOTHING

    def _read_folders(self) -> None:
        """Read the folders that changed since they were last read."""
        latest: dict[str, _Latest] = {}
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            try:
                changed_ns = path.stat().st_mtime_ns
                known = self._latest.get(path.name)
                if known is None or known.changed_ns != changed_ns:
                    issues = issue_folders(path)
                    if not issues:
                        continue
                    number, folder = issues[-1]
                    made_at = datetime.fromtimestamp(folder.stat().st_mtime, UTC).replace(tzinfo=None)
                    known = _Latest(changed_ns, number, made_at)
                latest[path.name] = known
            except OSError:
                continue
        self._latest = latest


def read_issue(session_id: str, number: int, folder: Path) -> Issue | None:
    """Return the issue in a folder; None where it is none of the session, or cannot be read."""
    try:
        stat = (folder / MANIFEST).stat()
        manifest = _manifest(folder, (stat.st_ino, stat.st_mtime_ns))
    except (OSError, OpcoError):
        return None
    # Two ids never share a folder; a folder that was moved by hand is not trusted.
    return Issue(number, folder, manifest) if manifest.session_id == session_id else None


@lru_cache(maxsize=256)
def _manifest(folder: Path, version: tuple[int, int]) -> Manifest:
    """Return the manifest of an issue. A home whose attestations were started over has others in the same folders."""
    del version
    return read_manifest(folder)
