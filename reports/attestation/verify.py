"""Tells offline, with no warehouse, whether attestations are complete, unchanged, and add up."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reports.attestation.issue import zip_name
from reports.attestation.manifest import MANIFEST, IssuedDocument, Manifest, issue_folders, parse_manifest
from reports.attestation.proof import Proof, read_proof
from reports.attestation.removal import RECORD, read_removal
from warehouse.errors import OpcoError, UserError

# A file that is larger is none of ours: a document of 100,000 connections has 25 MB.
MAX_FILE_BYTES = 500_000_000
UNREADABLE_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)


@dataclass
class Verification:
    """What was found: `faults` name a file and what is wrong with it; none means that all is well.

    `remarks` are no faults. `total_seconds` is the time printed on the PDFs that were read.
    """

    path: Path
    kind: Literal["issue", "session", "zip", "pdf"]
    documents: int = 0
    total_seconds: int = 0
    faults: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


@dataclass(frozen=True)
class _Files:
    """Where files are read from: a folder or a ZIP."""

    names: tuple[str, ...]
    read: Callable[[str], bytes]


def verify(path: Path, progress: Callable[[int, int, str], None] = lambda _done, _total, _file: None) -> Verification:
    """Verify a PDF, the ZIP or the folder of an issue, or the folder of a session with all its issues.

    Of folders and ZIPs: each file that the manifest lists is there, has its SHA-256, and no other PDF is. Of each
    PDF: its attached rows add up to its printed total. Nothing is unpacked or fetched.

    Raises UserError when `path` is none of these.
    """
    if path.is_dir():
        return _verify_folder(path, progress)
    if not path.is_file():
        raise UserError(f"There is no file or folder {path}. Name a PDF, the ZIP or the folder of an issue.")
    with path.open("rb") as stream:
        start = stream.read(1024)
    if zipfile.is_zipfile(path) and not start.startswith(b"%PDF"):
        found = Verification(path, "zip")
        try:
            with zipfile.ZipFile(path) as archive:
                _verify_issue(_of_zip(archive), found, progress)
        except UNREADABLE_ZIP as error:
            found.faults.append((path.name, f"the ZIP is damaged: {error}"))
        return found
    if b"%PDF-" not in start:
        raise UserError(f"{path} is no PDF and no ZIP. Name a PDF, the ZIP or the folder of an issue.")
    found = Verification(path, "pdf")
    _verify_pdf(path.name, path.read_bytes(), found)
    return found


def _verify_folder(folder: Path, progress: Callable[[int, int, str], None]) -> Verification:
    if (folder / MANIFEST).exists():
        found = Verification(folder, "issue")
        _verify_issue_folder(folder, found, progress)
        return found
    issues = issue_folders(folder)
    if not issues:
        raise UserError(f"{folder} has no {MANIFEST} and no issue-1, issue-2…. Name the folder of an issue.")
    found = Verification(folder, "session")
    for _, issue in issues:
        one = Verification(issue, "issue")
        _verify_issue_folder(issue, one, progress)
        found.documents += one.documents
        found.faults += [(f"{issue.name}/{name}", what) for name, what in one.faults]
        found.remarks += [(f"{issue.name}/{name}", what) for name, what in one.remarks]
        found.total_seconds = one.total_seconds
    return found


def _verify_issue_folder(folder: Path, found: Verification, progress: Callable[[int, int, str], None]) -> None:
    names = tuple(sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")))

    def read(name: str) -> bytes:
        path = folder / name
        if path.stat().st_size > MAX_FILE_BYTES:
            raise OSError(0, f"it is larger than {MAX_FILE_BYTES:,} bytes")
        return path.read_bytes()

    manifest = _verify_issue(_Files(names, read), found, progress)
    if manifest is None:
        return
    name = zip_name(manifest.session_id, manifest.issue_number)
    if name not in names and RECORD in names:
        return
    if name not in names:
        found.remarks.append((name, "the ZIP is not there"))
        return
    try:
        with zipfile.ZipFile(folder / name) as archive:
            inside = _of_zip(archive)
            listed = {one.file: one.sha256 for one in manifest.documents}
            listed[MANIFEST] = hashlib.sha256(read(MANIFEST)).hexdigest()
            differing = [
                one
                for one, digest in listed.items()
                if one not in inside.names or hashlib.sha256(inside.read(one)).hexdigest() != digest
            ]
            if differing or len(inside.names) != len(listed):
                found.faults.append((name, "the ZIP does not hold the same files as the folder"))
    except (*UNREADABLE_ZIP, OSError) as error:
        found.faults.append((name, f"the ZIP is damaged: {error}"))


def _of_zip(archive: zipfile.ZipFile) -> _Files:
    def read(name: str) -> bytes:
        if archive.getinfo(name).file_size > MAX_FILE_BYTES:
            raise OSError(0, f"it is larger than {MAX_FILE_BYTES:,} bytes")
        return archive.read(name)

    return _Files(tuple(sorted(archive.namelist())), read)


def _verify_issue(files: _Files, found: Verification, progress: Callable[[int, int, str], None]) -> Manifest | None:
    """Verify the files of an issue against its manifest; return it, or None when it is missing or unreadable."""
    if MANIFEST not in files.names:
        found.faults.append((MANIFEST, "it is missing"))
        return None
    try:
        manifest = parse_manifest(files.read(MANIFEST), MANIFEST)
    except (OpcoError, OSError) as error:
        found.faults.append((MANIFEST, str(error)))
        return None
    removal = read_removal(files.read(RECORD)) if RECORD in files.names else None
    if removal:
        said = f"its documents were removed on {removal.removed_at[:10]} by {removal.removed_by}; the manifest stayed"
        found.remarks.append((RECORD, said))
    for done, document in enumerate(manifest.documents, start=1):
        if not removal or document.file in files.names:
            _verify_document(files, document, found)
        progress(done, len(manifest.documents), document.file)
    listed = {document.file for document in manifest.documents} | {MANIFEST, RECORD}
    for name in files.names:
        if name not in listed and name != zip_name(manifest.session_id, manifest.issue_number):
            is_pdf = name.lower().endswith(".pdf")
            (found.faults if is_pdf else found.remarks).append((name, "it is not in the manifest"))
    return manifest


def _verify_document(files: _Files, document: IssuedDocument, found: Verification) -> None:
    if document.file not in files.names:
        found.faults.append((document.file, f"it is missing (attestation {document.number})"))
        return
    try:
        content = files.read(document.file)
    except OSError as error:
        found.faults.append((document.file, f"it cannot be read: {error.strerror or error}"))
        return
    if hashlib.sha256(content).hexdigest() != document.sha256:
        found.faults.append((document.file, "it has been changed: its SHA-256 is not that of the manifest"))
    proof = _verify_pdf(document.file, content, found)
    if proof and (proof.number, proof.printed_seconds) != (document.number, document.total_seconds):
        found.faults.append(
            (
                document.file,
                f"it is attestation {proof.number} of {proof.printed_seconds} seconds, the manifest lists "
                f"{document.number} of {document.total_seconds}",
            )
        )


def _verify_pdf(name: str, content: bytes, found: Verification) -> Proof | None:
    found.documents += 1
    try:
        proof = read_proof(content)
    except ValueError as error:
        found.faults.append((name, str(error)))
        return None
    found.total_seconds += proof.printed_seconds
    if fault := proof.fault():
        found.faults.append((name, fault))
    return proof
