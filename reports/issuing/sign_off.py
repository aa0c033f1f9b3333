"""Logs that were signed or refused: the returned file is kept beside the issues, with its hash and who took it in."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from reports.issuing.manifest import IssuedDocument, issue_folders, read_manifest
from warehouse.errors import OpcoError, UserError
from warehouse.files import safe_file_name, sha256_of, written_atomically

FOLDER = "sign-offs"
MOST_BYTES = 50_000_000

State = Literal["to_sign", "signed", "refused"]


@dataclass(frozen=True)
class SignOff:
    """What came back of a log: `at` is UTC as text, `by` who recorded it, `file` and `sha256` of what was returned."""

    number: str
    user_id: str
    month: str
    state: State
    at: str
    by: str
    file: str | None = None
    sha256: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class LogState:
    """A log in force, and what came back of it; None where nothing has yet."""

    document: IssuedDocument
    month: str
    sign_off: SignOff | None

    @property
    def state(self) -> State:
        """Whether it is signed, refused, or to be signed."""
        return self.sign_off.state if self.sign_off else "to_sign"


def log_states(folder: Path) -> list[LogState]:
    """Return the logs in force of a session's folder (one folder a month below it), by month and learner.

    What was signed of a log that another one has replaced since counts no more: that one is to be signed.
    """
    found = []
    for of_month in sorted(path for path in folder.glob("*") if path.is_dir()):
        issues = issue_folders(of_month)
        if not issues:
            continue
        back = _sign_offs(of_month)
        documents = read_manifest(issues[-1][1]).documents
        found += [LogState(one, of_month.name, back.get(one.number)) for one in documents]
    return found


def record_sign_off(
    folder: Path, user_id: str, month: str, *, file: Path | None, reason: str | None, by: str, at: str
) -> SignOff:
    """Keep what came back of a learner's log of a month: a signed `file`, or the `reason` of a refusal.

    `folder` is that of a session's logs. Raises UserError where there is no such log, or neither or both are given;
    OpcoError where the file cannot be read or kept.
    """
    if (file is None) == (reason is None):
        raise UserError("Say what came back: the signed file (--signed FILE), or why it is refused (--refused REASON).")
    states = {(one.month, one.document.user_id): one for one in log_states(folder)}
    if (month, user_id) not in states:
        known = sorted({one.document.user_id for one in states.values() if one.month == month})
        raise UserError(
            f"There is no log of {user_id!r} in {month} to sign. "
            + (f"Learners with one: {', '.join(known[:20])}." if known else "Make the logs of that month first.")
        )
    document = states[month, user_id].document
    kept = folder / month / FOLDER
    name = sha256 = None
    try:
        if file is not None:
            if file.stat().st_size > MOST_BYTES:
                raise UserError(f"{file} is larger than {MOST_BYTES:,} bytes. Is it the signed log?")
            sha256 = sha256_of(file)
            name = f"{at}-{sha256[:12]}-{safe_file_name(file.name)}"
            with written_atomically(kept / name) as temporary:
                shutil.copyfile(file, temporary)
        found = SignOff(document.number, user_id, month, "signed" if file else "refused", at, by, name, sha256, reason)
        with written_atomically(kept / f"{at}-{safe_file_name(user_id)}.json") as temporary:
            temporary.write_text(json.dumps(asdict(found), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OpcoError(f"The sign-off cannot be kept in {kept}: {error.strerror or error}.") from error
    return found


def _sign_offs(of_month: Path) -> dict[str, SignOff]:
    """Return the last that came back of each document, by its number."""
    found = {}
    for path in sorted((of_month / FOLDER).glob("*.json")):
        try:
            one = SignOff(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise OpcoError(f"{path} is no record of a sign-off. Restore it from a backup.") from error
        found[one.number] = one
    return found
