"""One issue of a session's attestations: PDFs, ZIP and manifest, in a folder that appears whole or not at all."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from textwrap import shorten
from typing import Any

from reports.attestation.images import read_image
from reports.attestation.making import NOTES, Job, Outcome, Task, make_documents, read_kept, write_file
from reports.attestation.manifest import (
    MANIFEST,
    CancelledDocument,
    Cause,
    IssuedDocument,
    LeftOut,
    Manifest,
    Reason,
    issue_folders,
    read_manifest,
)
from reports.attestation.model import AttestationInputs, Session, SessionLearner
from reports.attestation.naming import display_name, file_names
from reports.attestation.printed import inputs_of, printed_inputs, printed_settings
from reports.attestation.queries import read_build, read_chosen_users, read_session, read_session_learners
from reports.warehouse import open_published
from warehouse.errors import OpcoError, UserError
from warehouse.files import fsync_path, safe_file_name, sha256_of, try_lock

FAILURES_NAMED = 10


class NothingToAttestError(UserError):
    """Nobody of the session can get an attestation: it was not played, or by people without a name only."""


@dataclass(frozen=True)
class IssueSummary:
    """What one making of a session's attestations has left on the disk; `is_new` is False where nothing changed."""

    folder: Path
    manifest: Manifest
    is_new: bool
    zip_path: Path
    zip_sha256: str
    warnings: tuple[str, ...]

    @property
    def documents(self) -> tuple[IssuedDocument, ...]:
        """The documents in force, those of earlier issues among them."""
        return self.manifest.documents

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Learners who get none, and why."""
        return self.manifest.left_out

    @property
    def issue_number(self) -> int:
        """The number of the issue."""
        return self.manifest.issue_number


@dataclass(frozen=True)
class _Earlier:
    """The issue before this one, if any."""

    folder: Path | None = None
    manifest: Manifest | None = None

    @property
    def documents(self) -> dict[str, IssuedDocument]:
        return {one.user_id: one for one in self.manifest.documents} if self.manifest else {}

    @property
    def cancelled(self) -> dict[str, CancelledDocument]:
        return {one.user_id: one for one in self.manifest.cancelled} if self.manifest else {}


def issue_attestations(
    warehouse: Path,
    session_id: str,
    inputs: AttestationInputs,
    *,
    folder: Path,
    assets: Path,
    issued_on: date,
    users: Sequence[str] = (),
    force: bool = False,
    goes_on: bool = False,
    workers: int = 0,
    progress: Callable[[int, int, str], None] = lambda _done, _total, _learner: None,
) -> IssueSummary:
    """Make the next issue of a session's attestations (section A) in `folder`/issue-N.

    `warehouse` is the published DuckDB file or the link to it, `assets` the folder of the images that `inputs`
    names; `users` (user_id, or e-mail in any case) limits what is made anew, the other documents in force are kept.
    Where nothing that is printed changed, the latest issue is returned, unless `force`, which makes all anew.
    `goes_on` is for an issue that nobody asked for: the inputs are those of the latest issue, if there is one, and
    a document that differs in its inputs alone stays.
    Documents are made in `workers` processes, 0 meaning this one. `progress` is called after each document with
    those done, all of them, and the learner. The same data, inputs, issue number and date give the same bytes.

    Raises UserError for an unknown session or user, a session that nobody played, and an unusable input; OpcoError
    when files cannot be read or written, another run is at work on the session, or a document fails: the others
    then wait beside the issues, and the next run makes only what is missing.
    """
    latest_manifest = _latest_manifest(folder) if goes_on else None
    inputs = inputs_of(latest_manifest.inputs) if latest_manifest else _without_blanks(inputs)
    parts = {"logo": inputs.logo, "stamp": inputs.stamp}
    images = {part: read_image(assets, name, part) for part, name in parts.items() if name is not None}
    # The link may be replaced meanwhile: all documents are made from one build.
    warehouse = warehouse.resolve() if warehouse.exists() else warehouse
    with closing(open_published(warehouse)) as connection:
        build = read_build(connection)
        session = read_session(connection, session_id, build)
        learners = read_session_learners(connection, session_id)
        asked_for = read_chosen_users(connection, session_id, users)
    chosen, left_out = _chosen(learners, session, asked_for)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            issues = issue_folders(folder)
            latest = issues[-1][1] if issues else None
            earlier = _Earlier(latest, read_manifest(latest)) if latest else _Earlier()
            number = issues[-1][0] + 1 if issues else 1
            place = _place(folder, number)
            job = Job(
                warehouse=warehouse,
                session=session,
                build=build,
                inputs=inputs,
                printed_inputs=printed_inputs(inputs, images),
                images=images,
                issue_number=number,
                issued_on=issued_on,
                is_forced=force,
                replaces_for_inputs=not goes_on,
                place=place,
                release=_release(),
            )
            nameless = {one.user_id for one in left_out if one.reason == "deleted_without_name"}
            tasks = [task for task in _tasks(chosen, earlier, asked_for) if task.user_id not in nameless]
            try:
                outcomes, warnings = _make(job, tasks, workers, progress)
            except UserError:
                if not any(place.glob("*.pdf")):
                    _remove(place)
                raise
            in_force = {task.user_id for task in tasks}
            cancelled = _cancelled(earlier, in_force, left_out, number)
            if latest and earlier.manifest and not force and _is_unchanged(outcomes, cancelled, earlier):
                _remove(place)
                return _summary(latest, earlier.manifest, warnings, is_new=False)
            manifest = Manifest(
                session_id=session.session_id,
                session_name=session.session_name,
                program_template_id=session.program_template_id,
                program_template_name=session.program_template_name,
                issue_number=number,
                previous_issue=earlier.manifest.issue_number if earlier.manifest else None,
                issued_on=issued_on.isoformat(),
                data_as_of=f"{build.data_as_of.isoformat(timespec='microseconds')}Z",
                build_id=build.build_id,
                opco_version=build.opco_version,
                asked_for=tuple(sorted(asked_for or ())),
                inputs=job.printed_inputs,
                settings=printed_settings(build),
                documents=tuple(_with_names(one.document, folder, job) for one in outcomes if one.document),
                cancelled=cancelled,
                left_out=tuple(one for one in left_out if one.user_id not in in_force),
            )
            target = folder / f"issue-{number}"
            _complete(place, manifest, target, {task.file: task.earlier_file for task in tasks if task.earlier_file})
            found = (*warnings, *(text for outcome in outcomes for text in outcome.warnings))
            return _summary(target, manifest, found, is_new=True)
    except OSError as error:
        raise OpcoError(
            f"The attestations cannot be written to {folder}: {error.strerror or error}. Make room or ask for the "
            "right to write there, then run it again: only what is missing is made."
        ) from error


def zip_name(session_id: str, issue_number: int) -> str:
    """Return the file name of an issue's ZIP."""
    return f"attestations-{safe_file_name(session_id)}-issue-{issue_number}.zip"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the session: one issue of it is made at a time."""
    with (folder / ".lock").open("a", encoding="ascii") as stream:
        if not try_lock(stream):
            raise OpcoError(f"Another run is making attestations in {folder}.\nWait for its end, then try again.")
        yield


def _latest_manifest(folder: Path) -> Manifest | None:
    issues = issue_folders(folder)
    return read_manifest(issues[-1][1]) if issues else None


def _place(folder: Path, number: int) -> Path:
    """Return the folder in which an issue is made, what a run that did not end has left in it; remove older remains."""
    place = folder / f".issue-{number}.part"
    for path in folder.iterdir():
        if re.fullmatch(r"\.issue-\d+\.(part|\d+\.tmp)", path.name) and path != place:
            _remove(path)
    (place / NOTES).mkdir(parents=True, exist_ok=True)
    return place


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


def _release() -> str:
    """Return a digest of the code that makes documents: what another release began is not taken over."""
    files = sorted(
        path for path in Path(__file__).parent.rglob("*") if path.suffix in {".py", ".toml", ".html", ".css"}
    )
    return hashlib.sha256("".join(sha256_of(path) for path in files).encode()).hexdigest()


def _without_blanks(inputs: AttestationInputs) -> AttestationInputs:
    """Return the inputs with texts trimmed and empty ones left out."""
    values: dict[str, Any] = {
        key: value.strip() or None if isinstance(value, str) else value for key, value in vars(inputs).items()
    }
    return AttestationInputs(**values)


def _chosen(
    learners: Sequence[SessionLearner], session: Session, asked_for: set[str] | None
) -> tuple[list[SessionLearner], list[LeftOut]]:
    """Part the session's learners into those who get a document and those who do not."""
    chosen: list[SessionLearner] = []
    left_out: list[LeftOut] = []
    for learner in learners:
        reason: Reason | None = None
        if not learner.has_played:
            reason = "never_played"
        elif learner.is_deleted and not learner.last_name and not learner.first_name:
            reason = "deleted_without_name"
        elif asked_for is not None and learner.user_id not in asked_for:
            reason = "not_asked_for"
        if reason:
            left_out.append(LeftOut(learner.user_id, _name(learner), reason))
        else:
            chosen.append(learner)
    named = f"the session {session.session_id} ({session.session_name})"
    if not any(learner.has_played for learner in learners):
        raise NothingToAttestError(f"Nobody has played {named}: it has no connection, so there is nothing to attest.")
    if not chosen and asked_for is not None:
        raise UserError(f"None of the learners asked for has a connection in {named}: there is nothing to attest.")
    if not chosen:
        raise NothingToAttestError(
            f"All who played {named} are deleted and without a name, so no attestation can be made."
        )
    return chosen, left_out


def _name(learner: SessionLearner) -> str:
    return display_name(learner.user_id, learner.last_name, learner.first_name)


def _tasks(chosen: Sequence[SessionLearner], earlier: _Earlier, asked_for: set[str] | None) -> list[Task]:
    """Return one task a document: of those who get one, and of those not asked for who have one."""
    had = earlier.documents
    kept = [one for one in had.values() if asked_for is not None and one.user_id not in asked_for]
    files = file_names(chosen)
    taken = {one.file.casefold() for one in kept}
    tasks = []
    for learner in chosen:
        file = files[learner.user_id]
        if file.casefold() in taken:
            file = f"{Path(file).stem}-{hashlib.sha256(learner.user_id.encode()).hexdigest()[:12]}.pdf"
        document = had.get(learner.user_id)
        tasks.append(
            Task(
                learner.user_id,
                _name(learner),
                file,
                document or earlier.cancelled.get(learner.user_id),
                earlier.folder / document.file if document and earlier.folder else None,
            )
        )
    carried = [
        Task(one.user_id, one.learner, one.file, one, earlier.folder / one.file, is_carried=True)
        for one in kept
        if earlier.folder
    ]
    return sorted([*tasks, *carried], key=lambda task: (task.file.casefold(), task.file)) if carried else tasks


def _make(
    job: Job, tasks: Sequence[Task], workers: int, progress: Callable[[int, int, str], None]
) -> tuple[list[Outcome], tuple[str, ...]]:
    """Make all documents. Raises OpcoError naming the learners whose document failed."""
    done = 0

    def told(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        progress(done, len(tasks), outcome.task.learner)

    outcomes, warnings = make_documents(job, tasks, workers, told)
    failed = [outcome for outcome in outcomes if outcome.document is None]
    if failed:
        named = [
            f"  {shorten(one.task.learner, 60)} ({one.task.user_id[:60]}): {one.failure}"
            for one in failed[:FAILURES_NAMED]
        ]
        if len(failed) > FAILURES_NAMED:
            named.append(f"  and {len(failed) - FAILURES_NAMED} more")
        raise OpcoError(
            "\n".join(
                [
                    f"{len(failed)} of {len(tasks)} attestations could not be made, so issue {job.issue_number} is not "
                    "complete and nothing was issued:",
                    *named,
                    f"The other {len(tasks) - len(failed)} wait in {job.place}. Once the cause is mended, run the "
                    "command again: only what is missing is made.",
                ]
            )
        )
    return outcomes, warnings


def _cancelled(
    earlier: _Earlier, in_force: set[str], left_out: Sequence[LeftOut], number: int
) -> tuple[CancelledDocument, ...]:
    """Return the documents in force no more and replaced by none.

    A name that the warehouse knows no longer is not carried on into a new manifest.
    """
    reasons = {one.user_id: one.reason for one in left_out}
    names = {one.user_id: one.learner for one in left_out if one.reason == "deleted_without_name"}
    newly = [
        CancelledDocument(
            user_id=one.user_id,
            learner=names.get(one.user_id, one.learner),
            number=one.number,
            issued_on=one.issued_on,
            total_seconds=one.total_seconds,
            cancelled_by_issue=number,
            reason=reasons.get(one.user_id, "left_the_session"),
        )
        for one in earlier.documents.values()
        if one.user_id not in in_force
    ]
    still = [one for one in earlier.cancelled.values() if one.user_id not in in_force]
    return (*(replace(one, learner=names.get(one.user_id, one.learner)) for one in still), *newly)


def _is_unchanged(outcomes: Sequence[Outcome], cancelled: Sequence[CancelledDocument], earlier: _Earlier) -> bool:
    all_kept = all(outcome.document and outcome.document.state == "kept" for outcome in outcomes)
    return all_kept and len(cancelled) == len(earlier.cancelled)


def _with_names(document: IssuedDocument, folder: Path, job: Job) -> IssuedDocument:
    """Name the inputs and settings that differ from those of the issue in which the replaced document was made."""
    if not any(cause.kind in ("inputs", "settings") for cause in document.causes) or document.replaces is None:
        return document
    made_in = int(document.replaces["number"].rpartition("/")[2])
    try:
        before = read_manifest(folder / f"issue-{made_in}")
    except OpcoError:
        return document
    pairs = {
        "inputs": (before.inputs, job.printed_inputs),
        "settings": (before.settings, printed_settings(job.build)),
    }
    causes = []
    for cause in document.causes:
        if cause.kind in pairs:
            old, new = pairs[cause.kind]
            cause = Cause(cause.kind, names=tuple(name for name in new if old.get(name) != new[name]))
        causes.append(cause)
    return replace(document, causes=tuple(causes))


def _complete(place: Path, manifest: Manifest, target: Path, earlier_files: Mapping[str, Path]) -> None:
    """Put the kept PDFs in, remove what belongs to no document, write manifest and ZIP, and give the issue its name."""
    _remove(place / NOTES)
    files = {document.file for document in manifest.documents}
    for path in place.iterdir():
        if path.name not in files:
            path.unlink()
    for document in manifest.documents:
        if document.state == "kept":
            write_file(place / document.file, read_kept(earlier_files[document.file], document))
    write_file(place / MANIFEST, manifest.to_json())
    _write_zip(place, zip_name(manifest.session_id, manifest.issue_number))
    fsync_path(place)
    place.rename(target)
    fsync_path(target.parent)


def _summary(folder: Path, manifest: Manifest, warnings: Sequence[str], *, is_new: bool) -> IssueSummary:
    path = folder / zip_name(manifest.session_id, manifest.issue_number)
    return IssueSummary(folder, manifest, is_new, path, sha256_of(path), tuple(warnings))


def _write_zip(folder: Path, name: str) -> None:
    """Put all files of a folder into a ZIP in it: sorted, without times, so that the bytes repeat."""
    members = sorted(folder.iterdir())
    temporary = folder / f".{name}.tmp"
    with zipfile.ZipFile(temporary, "w") as archive:
        for member in members:
            # PDFs are compressed already.
            entry = zipfile.ZipInfo(member.name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, member.read_bytes())
    fsync_path(temporary)
    temporary.replace(folder / name)
