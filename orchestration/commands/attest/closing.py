"""What `opco attest` says at its end, and the copy of an issue that is asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestration.commands.closing import Closing
from orchestration.home import Home
from orchestration.terminal import counted, size
from reports.attestation.manifest import MANIFEST, read_manifest
from reports.attestation.wording import duration
from warehouse.errors import OpcoError, UserError
from warehouse.files import remove_leftovers, written_atomically

LEFT_OUT = {
    "never_played": "no connection in this session",
    "deleted_without_name": "deleted, and without a name",
    "not_asked_for": "not asked for",
    "left_the_session": "no longer in this session",
}
CAUSES = {
    "late_rows": "late connections",
    "corrected_rows": "corrected connections",
    "withdrawn_rows": "withdrawn connections",
    "inputs": "inputs",
    "settings": "settings",
    "session": "the session's name, dates or program",
    "learner": "the learner's name or employer",
    "results": "progress or score",
    "activities": "activities",
    "log": "the log",
    "asked_for": "asked for with --force",
}
NAMED = 20


def attest_closing(home: Home, session_id: str, made: Mapping[str, Any], copy: Path | None) -> Closing:
    """Return the facts of an issue from its asset's metadata; learners are named by its manifest alone."""
    names = ("issue_number", "folder", "zip_path", "zip_sha256", "documents", "states", "pages", "bytes", "warnings")
    manifest = read_manifest(Path(made["folder"]))
    return {
        "command": "attest",
        "ok": True,
        "home": str(home.folder),
        "session_id": session_id,
        "changed": made["is_new"],
        **{name: made[name] for name in names},
        "files": [_listed(asdict(document)) for document in manifest.documents],
        "cancelled": [asdict(one) for one in manifest.cancelled],
        "left_out": [asdict(one) for one in manifest.left_out],
        "copy": str(copy) if copy else None,
    }


def _listed(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without the digests of what it prints."""
    return {name: value for name, value in document.items() if name != "printed"}


def attest_lines(closing: Closing) -> list[str]:
    """Return what `opco attest` prints at its end."""
    issue = f"issue {closing['issue_number']} of session {closing['session_id']}"
    holds = (
        f"{counted(closing['documents'], 'attestation')}, {counted(closing['pages'], 'page')}, {size(closing['bytes'])}"
    )
    if not closing["changed"]:
        lines = [f"Nothing changed since {issue}: it stays in force ({holds}). --force makes all anew."]
    else:
        states = ", ".join(f"{count:,} {state}" for state, count in closing["states"].items())
        lines = [f"Made      {holds}: {issue}", f"          {states}"]
        replaced = [one for one in closing["files"] if one["state"] == "replaced"]
        lines += _limited([f"  {one['learner']}: {_change(one)}" for one in replaced], "more replaced")
        cancelled = [one for one in closing["cancelled"] if one["cancelled_by_issue"] == closing["issue_number"]]
        lines += _limited(
            [f"  cancelled: {one['learner']}, no. {one['number']} ({LEFT_OUT[one['reason']]})" for one in cancelled],
            "more cancelled",
        )
    left_out = [f"  left out: {one['learner']} ({LEFT_OUT[one['reason']]})" for one in closing["left_out"]]
    lines += _limited([f"  warning: {warning}" for warning in closing["warnings"]], "more warnings")
    lines += _limited(left_out, "more left out")
    lines += [f"Folder    {closing['folder']}", f"ZIP       {closing['zip_path']}"]
    return [*lines, f"Copy      {closing['copy']}"] if closing["copy"] else lines


def check_output(home: Home, session_id: str, output: Path | None) -> None:
    """Raise UserError where a copy of the issue could not be put, before anything is made."""
    if output is None:
        return
    home.refuse_own_place(output.expanduser(), "--output")
    folder = output.expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output {output} is a file. Name a folder for the copy.")
    existing = next(one for one in (folder, *folder.parents) if one.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"--output {output}: {existing} is read-only for you. Name another folder for the copy.")
    if (folder / MANIFEST).exists():
        try:
            there = read_manifest(folder).session_id
        except OpcoError as error:
            raise UserError(
                f"--output {output} holds another {MANIFEST}. Name an empty folder for the copy."
            ) from error
        if there != session_id:
            raise UserError(
                f"--output {output} holds the attestations of session {there}. Name another folder for the copy."
            )


def copy_issue(made: Mapping[str, Any], output: Path | None) -> Path | None:
    """Copy the files of an issue into `output`, in place of an earlier copy there, and return that folder.

    Raises OpcoError telling that the issue is made and only the copy failed.
    """
    if output is None:
        return None
    folder = output.expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        is_copy = (folder / MANIFEST).exists()
        files = sorted(Path(made["folder"]).iterdir(), key=lambda path: path.name == MANIFEST)
        for path in files:
            with written_atomically(folder / path.name) as temporary:
                shutil.copyfile(path, temporary)
        if is_copy:
            # Two issues in one folder would be neither.
            names = {path.name for path in files}
            for pattern in ("attestation-*.pdf", "attestations-*.zip"):
                for path in folder.glob(pattern):
                    if path.name not in names:
                        path.unlink()
    except OSError as error:
        raise OpcoError(
            f"Issue {made['issue_number']} is made and stands in {made['folder']}; only its copy into {folder} failed: "
            f"{error.strerror or error}.\nCopy the folder yourself, or ask again with another --output: "
            "nothing is made twice."
        ) from error
    return folder


def _change(document: Mapping[str, Any]) -> str:
    before, after = document["seconds_before"], document["total_seconds"]
    total = f"{duration(before)} -> {duration(after)}" if before != after else f"{duration(after)} as before"
    causes = "; ".join(_cause(cause) for cause in document["causes"])
    return f"{total}{f' ({causes})' if causes else ''}, replaces no. {document['replaces']['number']}"


def _cause(cause: Mapping[str, Any]) -> str:
    words = CAUSES[cause["kind"]]
    if cause["count"]:
        return f"{cause['count']:,} {words}"
    return f"{words}: {', '.join(cause['names'])}" if cause["names"] else words


def _limited(lines: Sequence[str], what: str) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = [f"  and {len(lines) - NAMED:,} {what} (all are in manifest.json)"] if len(lines) > NAMED else []
    return [*lines[:NAMED], *more]
