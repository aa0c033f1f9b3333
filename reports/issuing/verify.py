"""Finds out offline, with no warehouse, whether attestations add up, and whether an issue or a session is all there.

All of it comes from the same hands: who can change PDFs, manifests and ZIPs together, or take the latest issue away, is
not found out. That takes a head that was noted elsewhere, or a seal.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from reports.attestation.proof import PrintedDocument
from reports.documents.proof import read_document
from reports.issuing.manifest import MANIFEST, IssuedDocument, Manifest, issue_folders, parse_manifest
from reports.issuing.naming import zip_names_of, zip_of_issue
from reports.issuing.processes import READING, begin, context
from reports.issuing.removal import RECORD, read_removal
from reports.language import short_date
from reports.printing.structure import fault_of_form
from warehouse.errors import OpcoError, UserError
from warehouse.steps import TellStep, tell_nobody, told

# A file that is larger is none of ours: a document of 100,000 connections has 25 MB.
MAX_FILE_BYTES = 500_000_000
UNREADABLE_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)
# Documents that are worth a process of their own, and how many it is given at once.
OF_A_PROCESS, AT_ONCE = 10, 4
SIGNATORY = ("organisation_name", "legal_representative", "capacity", "place")


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
    """Where files are read from: a folder or a ZIP; `has_later` says whether a later issue is beside it.

    `processes` may read them at once: a ZIP is read by one.
    """

    names: tuple[str, ...]
    read: Callable[[str], bytes]
    has_later: bool = False
    processes: int = 1


def verify(path: Path, progress: TellStep = tell_nobody) -> Verification:
    """Verify a PDF, the ZIP or the folder of an issue, or the folder of a session with all its issues.

    Of each PDF: it has the form in which it was issued, with nothing laid over it, run by it or attached besides; its
    printed lines, connections, number, date and total are those of its attached rows. Of folders and ZIPs: each file
    that the manifest lists is there, has its SHA-256, prints what the manifest says, and no other PDF is. Of a session:
    no issue is missing before the latest, and each names the one before it. Nothing is unpacked or fetched.
    Many documents of a folder are read by as many processes as there are cores.

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


def _verify_folder(folder: Path, progress: TellStep) -> Verification:
    if (folder / MANIFEST).exists():
        found = Verification(folder, "issue")
        match = re.fullmatch(r"issue-(\d+)", folder.resolve().name)
        beside = issue_folders(folder.resolve().parent) if match else []
        has_later = any(number > int(match[1]) for number, _ in beside) if match else False
        _verify_issue_folder(folder, found, progress, has_later=has_later)
        return found
    issues = issue_folders(folder)
    if not issues:
        raise UserError(f"{folder} has no {MANIFEST} and no issue-1, issue-2…. Name the folder of an issue.")
    found = Verification(folder, "session")
    there, last = {number for number, _ in issues}, issues[-1][0]
    found.faults += [(f"issue-{number}", "it is missing") for number in range(1, last) if number not in there]
    earlier: dict[int, tuple[Manifest, str]] = {}
    for number, issue in issues:
        one = Verification(issue, "issue")
        manifest = _verify_issue_folder(issue, one, progress, has_later=number < last)
        if manifest is not None:
            one.faults += [(MANIFEST, fault) for fault in _faults_of_links(number, manifest, earlier)]
            earlier[number] = (manifest, hashlib.sha256((issue / MANIFEST).read_bytes()).hexdigest())
        found.documents += one.documents
        found.faults += [(f"{issue.name}/{name}", what) for name, what in one.faults]
        found.remarks += [(f"{issue.name}/{name}", what) for name, what in one.remarks]
        found.total_seconds = one.total_seconds
    return found


def _faults_of_links(number: int, manifest: Manifest, earlier: dict[int, tuple[Manifest, str]]) -> list[str]:
    """Return what in a manifest does not fit its folder's number and the issues before it."""
    faults = []
    if manifest.issue_number != number:
        faults.append(f"it is that of issue {manifest.issue_number}")
    if any(before.session_id != manifest.session_id for before, _ in earlier.values()):
        faults.append(f"it is that of another session, {manifest.session_id}")
    if any((before.kind, before.month) != (manifest.kind, manifest.month) for before, _ in earlier.values()):
        faults.append(f"it is of another kind or month: {manifest.kind} {manifest.month or ''}".rstrip())
    if manifest.previous_issue != (number - 1 or None):
        faults.append(f"it follows issue {manifest.previous_issue}, not issue {number - 1}")
    if manifest.making is None and any(before.making for before, _ in earlier.values()):
        faults.append("it does not say how it was made, though an earlier issue does")
    if (
        manifest.making is not None
        and number - 1 in earlier
        and manifest.previous_manifest_sha256 != earlier[number - 1][1]
    ):
        faults.append(f"the manifest of issue {number - 1} is not the one that it follows")
    for document in manifest.documents:
        if document.state != "kept" or document.issue_number not in earlier:
            continue
        made = {(one.number, one.sha256) for one in earlier[document.issue_number][0].documents}
        if (document.number, document.sha256) not in made:
            faults.append(f"issue {document.issue_number} made no such document {document.number}")
    return faults


def _verify_issue_folder(folder: Path, found: Verification, progress: TellStep, *, has_later: bool) -> Manifest | None:
    names = tuple(sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")))
    read = partial(_read_from, folder)
    manifest = _verify_issue(_Files(names, read, has_later, os.cpu_count() or 1), found, progress)
    if manifest is None:
        return None
    name = zip_of_issue(folder, manifest).name
    if name not in names:
        if RECORD not in names:
            found.remarks.append((name, "the ZIP is not there"))
        return manifest
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
    return manifest


def _read_from(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.stat().st_size > MAX_FILE_BYTES:
        raise OSError(0, f"it is larger than {MAX_FILE_BYTES:,} bytes")
    return path.read_bytes()


def _of_zip(archive: zipfile.ZipFile) -> _Files:
    def read(name: str) -> bytes:
        if archive.getinfo(name).file_size > MAX_FILE_BYTES:
            raise OSError(0, f"it is larger than {MAX_FILE_BYTES:,} bytes")
        return archive.read(name)

    return _Files(tuple(sorted(archive.namelist())), read)


def _verify_issue(files: _Files, found: Verification, progress: TellStep) -> Manifest | None:
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
    if removal and not files.has_later:
        found.faults.append((RECORD, "it says that the documents were removed, and no later issue is there"))
        removal = None
    if removal:
        remark = f"its documents were removed on {removal.removed_at[:10]} by {removal.removed_by}; the manifest stayed"
        found.remarks.append((RECORD, remark))
    found.remarks += [(MANIFEST, remark) for remark in _remarks(manifest)]
    present = [one for one in manifest.documents if not removal or one.file in files.names]
    steps = told(present, progress, lambda one: one.file)
    with closing(_verified(files, manifest, present)) as verified:
        for _, one in zip(steps, verified, strict=True):
            found.documents += one.documents
            found.total_seconds += one.total_seconds
            found.faults += one.faults
    listed = {document.file for document in manifest.documents} | {MANIFEST, RECORD}
    for name in files.names:
        if name not in listed and name not in zip_names_of(manifest):
            is_pdf = name.lower().endswith(".pdf")
            (found.faults if is_pdf else found.remarks).append((name, "it is not in the manifest"))
    return manifest


def _remarks(manifest: Manifest) -> list[str]:
    """Return what a controller would ask about an issue that adds up: its date, and who attests."""
    zone = ZoneInfo(manifest.settings["display_timezone"])
    first = datetime.fromisoformat(manifest.data_as_of).astimezone(zone).date()
    last = datetime.fromisoformat(manifest.making.at).astimezone(zone).date() if manifest.making else None
    issued_on, remarks = date.fromisoformat(manifest.issued_on), []
    why = f": {manifest.issued_on_reason}" if manifest.issued_on_reason else ", and no reason is on record"
    if issued_on < first:
        remarks.append(f"it is dated {issued_on}, before the day of its data, {first}{why}")
    if last and issued_on > max(first, last):
        remarks.append(f"it is dated {issued_on}, after the day on which it was made, {last}{why}")
    if manifest.differs_from_settings:
        making = f", made on {manifest.making.at[:19]}Z by {manifest.making.by}" if manifest.making else ""
        names = ", ".join(manifest.differs_from_settings)
        remarks.append(f"not as the settings of the organisation say: {names}{making}")
    return remarks


def _verified(
    files: _Files, manifest: Manifest, documents: Sequence[IssuedDocument]
) -> Generator[Verification, None, None]:
    """Yield what is found of each document, in their order."""
    # The other documents are of no matter to one: they do not go to each process with it.
    verify_one = partial(_verify_document, files, replace(manifest, documents=(), cancelled=(), left_out=()))
    processes = min(files.processes, len(documents) // OF_A_PROCESS)
    if processes < 2:
        yield from map(verify_one, documents)
        return
    pool = ProcessPoolExecutor(processes, mp_context=context(READING), initializer=begin)
    try:
        yield from pool.map(verify_one, documents, chunksize=AT_ONCE)
    except (BrokenProcessPool, EOFError) as error:
        raise OpcoError(
            "A process that verified documents died: out of memory, or a fault in a system library. Verify them one by "
            "one, each by its file."
        ) from error
    finally:
        # Ctrl-C waits for no document, which may be anybody's and take as long as it likes.
        for process in list(pool._processes.values()):
            process.kill()
        pool.shutdown(cancel_futures=True)


def _verify_document(files: _Files, manifest: Manifest, document: IssuedDocument) -> Verification:
    found = Verification(Path(document.file), "pdf")
    if document.file not in files.names:
        found.faults.append((document.file, f"it is missing (no. {document.number})"))
        return found
    try:
        content = files.read(document.file)
    except OSError as error:
        found.faults.append((document.file, f"it cannot be read: {error.strerror or error}"))
        return found
    if hashlib.sha256(content).hexdigest() != document.sha256:
        found.faults.append((document.file, "it has been changed: its SHA-256 is not that of the manifest"))
    proof = _verify_pdf(document.file, content, found)
    if proof is None:
        return found
    if (proof.number, proof.printed_seconds) != (document.number, document.total_seconds):
        found.faults.append(
            (
                document.file,
                f"it is document {proof.number} of {proof.printed_seconds} seconds, the manifest lists "
                f"{document.number} of {document.total_seconds}",
            )
        )
    found.faults += [(document.file, fault) for fault in _faults_of_words(manifest, document, proof)]
    return found


def _faults_of_words(manifest: Manifest, document: IssuedDocument, proof: PrintedDocument) -> list[str]:
    """Return what the manifest says of a document and the document does not print.

    Of one that an earlier issue made that issue's manifest says what its inputs were.
    """
    texts = {"the learner": document.learner, "the session": manifest.session_name}
    if document.issue_number == manifest.issue_number:
        as_of = datetime.fromisoformat(document.data_as_of).astimezone(ZoneInfo(manifest.settings["display_timezone"]))
        texts |= {"data as of": f"{short_date(as_of)} {as_of:%H:%M}"}
        texts |= {name: manifest.inputs[name] or "" for name in SIGNATORY}
    else:
        del texts["the session"]  # it may have had another name then
    faults = [
        f"it does not print what the manifest says of {what}: {text}"
        for what, text in texts.items()
        if not proof.prints(text)
    ]
    if proof.created_on != date.fromisoformat(document.issued_on):
        faults.append(f"it is of {proof.created_on}, the manifest says that it was issued on {document.issued_on}")
    return faults


def _verify_pdf(name: str, content: bytes, found: Verification) -> PrintedDocument | None:
    found.documents += 1
    try:
        proof = read_document(content, with_pages=True)
    except ValueError as error:
        found.faults.append((name, str(error)))
        return None
    found.total_seconds += proof.printed_seconds
    found.faults += [(name, fault) for fault in (fault_of_form(content), proof.fault()) if fault]
    return proof
