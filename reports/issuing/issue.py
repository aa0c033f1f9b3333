"""One issue of a session's attestations: PDFs, ZIP and manifest, in a folder that appears whole or not at all."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache, partial
from pathlib import Path
from textwrap import shorten

import duckdb

from reports.attestation.inputs import AttestationInputs
from reports.attestation.kind import DocumentKind, Scope
from reports.attestation.model import Finding, Session, SessionLearner
from reports.attestation.parts import KEPT_NAMES, OWN_NAMES, changed_inputs, inputs_of, printed_inputs, printed_settings
from reports.attestation.queries import (
    check_custom_fields,
    read_build,
    read_chosen_users,
    read_findings,
    read_session,
)
from reports.attestation.typed_dates import contradiction
from reports.attestation.wording import display_name
from reports.issuing.kinds import ATTESTATION, KINDS
from reports.issuing.manifest import (
    FORMAT,
    FORMAT_OF_KINDS,
    MANIFEST,
    CancelledDocument,
    Cause,
    IssuedDocument,
    LeftOut,
    Making,
    Manifest,
    Reason,
    issue_folders,
    manifest_digest,
    read_manifest,
)
from reports.issuing.naming import file_names, zip_names_of, zip_of_issue
from reports.issuing.planner import IssueJob, Outcome, Planner, Task, in_slices, read_kept
from reports.issuing.workers import NOTES, Limits, make_documents, write_file
from reports.printing.images import CheckedImage, read_images
from warehouse.account import account
from warehouse.archive import INSTANT
from warehouse.errors import OpcoError, UserError
from warehouse.files import fsync_path, sha256_of, try_lock
from warehouse.published import BuildRecord, file_of
from warehouse.steps import TellStep, tell_nobody

FAILURES_NAMED = 10
WHO_ATTESTS = ("name", "legal_representative", "capacity", "stamp")
# The causes that another edition of the rules may be behind.
FIGURES = ("late_rows", "corrected_rows", "withdrawn_rows", "results", "sources", "flags", "activities")


class NothingToAttestError(UserError):
    """Nobody of the session can get a document: nobody played it but who instructs it, or is without a name."""


@dataclass(frozen=True)
class IssueSummary:
    """The issue in force after a run; `is_new` is False where nothing changed and it is the one before.

    `findings` is what an inspector would find in the connections of those who were asked for.
    """

    folder: Path
    manifest: Manifest
    is_new: bool
    zip_path: Path
    zip_sha256: str
    warnings: tuple[str, ...]
    findings: tuple[Finding, ...]

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
class Foresight:
    """What the next issue of a session would do to the documents in force.

    `new`, `replaced`, `kept` and `cancelled` count documents; `inputs` names those that differ from the issue's in
    force, `by_inputs` counts the documents replaced for nothing else.
    """

    new: int
    replaced: int
    kept: int
    cancelled: int
    inputs: tuple[str, ...]
    by_inputs: int


@dataclass(frozen=True)
class _Participants:
    """Who of a session gets a document, and who does not, as the published file has them.

    `asked_for` are the learners that an issue is limited to, None for no limit.
    """

    kind_name: str
    scope: Scope
    asked_for: set[str] | None
    chosen: list[SessionLearner]
    left_out: list[LeftOut]


@dataclass(frozen=True)
class _Plan:
    """The next issue, document by document, and the one before it, if any."""

    job: IssueJob
    tasks: list[Task]
    latest: Path | None
    earlier: Manifest | None

    @property
    def documents_before(self) -> tuple[IssuedDocument, ...]:
        return self.earlier.documents if self.earlier else ()

    @property
    def cancelled_before(self) -> tuple[CancelledDocument, ...]:
        return self.earlier.cancelled if self.earlier else ()


def issue_documents(
    db: duckdb.DuckDBPyConnection,
    session_id: str,
    inputs: AttestationInputs,
    *,
    kind: str = ATTESTATION,
    month: str | None = None,
    folder: Path,
    assets: Path,
    issued_on: date,
    users: Sequence[str] = (),
    force: bool = False,
    reuse_inputs: bool = False,
    allows_missing_letters: bool = False,
    making: Making | None = None,
    issued_on_reason: str | None = None,
    usual: AttestationInputs | None = None,
    as_published: Callable[[Path], BuildRecord | None] = lambda _file: None,
    workers: int = 0,
    limits: Limits = Limits(),  # noqa: B008 - it does not change
    on_progress: TellStep = tell_nobody,
) -> IssueSummary:
    """Make the next issue of a session's documents of a kind (section A, D5) in `folder`/issue-N.

    `kind` is one of `KINDS`, `month` (YYYY-MM) limits what they are about. `db` is the published file, `assets` the
    folder of the images that `inputs` names; `users` (user_id, or e-mail in any case) limits who gets a new document,
    the other documents in force are kept.
    Who instructs the session and has no enrolment in it gets a document once `users` named them, not before.
    Where nothing that is printed changed, the latest issue is returned, unless `force`, which replaces all.
    `reuse_inputs` is for an issue that nobody asked for: the inputs are those of the latest issue, if there is one, and
    a document that differs in its inputs alone stays.
    `making` says for the manifest who asked and by which way; None for the command, of this account and instant.
    `issued_on_reason` says why the date of issue is no day from that of the data to today, and `usual` is what the
    settings say: the manifest names the organisation's or signatory's inputs that differ.
    `as_published` is called with the file of `db`, before anything is made or issued of it: it returns the record of
    that file, or raises OpcoError where it is not what was published.
    A document with a letter that no font has fails, unless `allows_missing_letters`.
    Documents are made in `workers` processes, each within `limits`; 0 means this one, without. `on_progress` is called
    first, and after each document, with those done, all of them, and the learner. The same data, inputs, issue number
    and date give the same bytes of a PDF; the same `making` and earlier issue besides, those of the ZIP.

    Raises UserError for an unknown session or user, a session that nobody played, and an unusable input; OpcoError
    when files cannot be read or written, another run is at work on the session, the folder is another session's, or a
    document fails: the others then wait beside the issues, and the next run makes only what is missing.
    """
    if reuse_inputs and (issues := issue_folders(folder)):
        inputs = inputs_of(read_manifest(issues[-1][1]).inputs)
    images = read_images(assets, inputs.images)
    # A field that is gone since is no reason to fail a night: it prints nothing.
    check_custom_fields(db, () if reuse_inputs else inputs.custom_fields)
    who = _participants(db, kind, _scope(db, session_id, inputs, month), folder, users)
    scope = who.scope
    findings = read_findings(db, session_id, [one.user_id for one in who.chosen], month)
    published = cache(partial(as_published, file_of(db)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            plan = _plan(
                who,
                images,
                folder,
                issued_on,
                is_forced=force,
                replaces_for_inputs=not reuse_inputs,
                allows_missing_letters=allows_missing_letters,
            )
            job, latest = plan.job, plan.latest
            _prepare(job.folder)
            try:
                outcomes, noticed = make_documents(job, db, plan.tasks, workers, limits, on_progress, published)
                _require_all(job, outcomes)
            except OpcoError:
                if not any(job.folder.glob("*.pdf")):
                    _remove(job.folder)
                raise
            doubt = contradiction(inputs.training_duration, scope.session)
            warnings = (*([doubt] if doubt else []), *noticed)
            cancelled = _cancelled(plan, who.left_out)
            is_changed = any(one.document and one.document.state != "kept" for one in outcomes)
            is_changed |= len(cancelled) != len(plan.cancelled_before)
            if latest and plan.earlier and not force and not is_changed:
                _remove(job.folder)
                return _summary(latest, plan.earlier, warnings, findings, is_new=False)
            record, in_force = published(), {task.user_id for task in plan.tasks}
            manifest = Manifest(
                session_id=scope.session.session_id,
                session_name=scope.session.session_name,
                program_template_id=scope.session.program_template_id,
                program_template_name=scope.session.program_template_name,
                issue_number=job.issue_number,
                previous_issue=plan.earlier.issue_number if plan.earlier else None,
                issued_on=issued_on.isoformat(),
                data_as_of=f"{scope.build.data_as_of.isoformat(timespec='microseconds')}Z",
                build_id=scope.build.build_id,
                opco_version=scope.build.opco_version,
                asked_for=tuple(sorted(who.asked_for or ())),
                inputs=job.printed_inputs,
                settings=printed_settings(scope.build),
                documents=tuple(_with_causes_named(one.document, folder, job) for one in outcomes if one.document),
                cancelled=cancelled,
                left_out=tuple(one for one in who.left_out if one.user_id not in in_force),
                issued_on_reason=issued_on_reason,
                differs_from_settings=tuple(KEPT_NAMES.get(name, name) for name in differing(inputs, usual)),
                rules_edition=scope.build.rules_edition,
                making=making or Making(datetime.now(UTC).strftime(INSTANT), account(), "command"),
                archive_head=record.archive_head if record else None,
                published_sha256=record.sha256 if record else None,
                previous_manifest_sha256=manifest_digest(latest) if latest else None,
                kind=kind,
                month=month,
                format=FORMAT if kind == ATTESTATION else FORMAT_OF_KINDS,
            )
            target = folder / f"issue-{job.issue_number}"
            _complete(
                job.folder, manifest, target, {one.file: one.earlier_file for one in plan.tasks if one.earlier_file}
            )
            warnings = (*warnings, *(text for outcome in outcomes for text in outcome.warnings))
            return _summary(target, manifest, warnings, findings, is_new=True)
    except OSError as error:
        raise OpcoError(
            f"The {KINDS[kind].nouns} cannot be written to {folder}: {error.strerror or error}. Make room or ask for "
            "the right to write there, then run it again: only what is missing is made."
        ) from error


def foresee(
    db: duckdb.DuckDBPyConnection,
    session_id: str,
    inputs: AttestationInputs,
    *,
    folder: Path,
    assets: Path,
    force: bool = False,
) -> Foresight | None:
    """Return what `issue_documents` of the same would do, without making anything; None where nothing is in force.

    Errors as `issue_documents`, before its first document.
    """
    if not issue_folders(folder):
        return None
    images = read_images(assets, inputs.images)
    check_custom_fields(db, inputs.custom_fields)
    who = _participants(db, ATTESTATION, _scope(db, session_id, inputs, None), folder, ())
    plan = _plan(who, images, folder, who.scope.build.data_as_of_local.date(), is_forced=force)
    planner = Planner(plan.job, db)
    changed = [parts for part in in_slices(plan.tasks) for parts in planner.changes_in(part)]
    replaced = len(changed) if force else sum(map(bool, changed))
    return Foresight(
        new=len(plan.tasks) - len(changed),
        replaced=replaced,
        kept=len(changed) - replaced,
        cancelled=len(plan.documents_before) - len(changed),
        inputs=tuple(
            OWN_NAMES.get(name, name)
            for name in changed_inputs(plan.earlier.inputs if plan.earlier else {}, plan.job.printed_inputs)
        ),
        by_inputs=sum(parts == ["inputs"] for parts in changed),
    )


def _scope(db: duckdb.DuckDBPyConnection, session_id: str, inputs: AttestationInputs, month: str | None) -> Scope:
    build = read_build(db)
    return Scope(read_session(db, session_id, build), build, inputs, month)


def _participants(
    db: duckdb.DuckDBPyConnection, kind_name: str, scope: Scope, folder: Path, users: Sequence[str]
) -> _Participants:
    learners = KINDS[kind_name].learners(db, scope)
    asked_for = read_chosen_users(db, scope.session.session_id, users)
    named = _named(learners, folder, asked_for)
    chosen, left_out = _chosen(KINDS[kind_name], learners, scope, asked_for, named)
    return _Participants(kind_name, scope, asked_for, chosen, left_out)


def _plan(
    who: _Participants,
    images: dict[str, CheckedImage],
    folder: Path,
    issued_on: date,
    *,
    is_forced: bool,
    replaces_for_inputs: bool = True,
    allows_missing_letters: bool = False,
) -> _Plan:
    """Plan the next issue in a session's folder. Raises OpcoError where the folder is another session's."""
    issues = issue_folders(folder)
    number, latest = issues[-1] if issues else (0, None)
    job = IssueJob(
        kind_name=who.kind_name,
        scope=who.scope,
        printed_inputs=printed_inputs(who.scope.inputs, images),
        images=images,
        issue_number=number + 1,
        issued_on=issued_on,
        is_forced=is_forced,
        replaces_for_inputs=replaces_for_inputs,
        allows_missing_letters=allows_missing_letters,
        folder=folder / f".issue-{number + 1}.part",
    )
    earlier = _manifest_of(who, latest) if latest else None
    return _Plan(job, _tasks(who, latest, earlier), latest, earlier)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the session: one issue of it is made at a time."""
    with (folder / ".lock").open("a", encoding="ascii") as stream:
        if not try_lock(stream):
            raise OpcoError(f"Another run is making documents in {folder}.\nWait for its end, then try again.")
        yield


def _manifest_of(who: _Participants, issue: Path) -> Manifest:
    """Return the manifest of an issue; raise OpcoError where it is another session's, kind's or month's."""
    manifest = read_manifest(issue)
    session: Session = who.scope.session
    if (manifest.session_id, manifest.kind, manifest.month) != (session.session_id, who.kind_name, who.scope.month):
        raise OpcoError(
            f"{issue} holds {KINDS[manifest.kind].nouns} of session {manifest.session_id}, not of "
            f"{session.session_id}: they are not continued. Nothing was made. Move that folder to where it belongs, or "
            "restore it from a backup."
        )
    return manifest


def _prepare(part: Path) -> None:
    """Make the folder in which an issue is made, unless a run that did not end has left it; remove older remains."""
    for path in part.parent.iterdir():
        if re.fullmatch(r"\.issue-\d+\.(part|\d+\.tmp)", path.name) and path != part:
            _remove(path)
    (part / NOTES).mkdir(parents=True, exist_ok=True)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def differing(inputs: AttestationInputs, usual: AttestationInputs | None) -> tuple[str, ...]:
    """Return which inputs of those that say who attests are not as usual; none where nothing is known of the usual."""
    return tuple(name for name in WHO_ATTESTS if usual and getattr(inputs, name) != getattr(usual, name))


def _named(learners: Sequence[SessionLearner], folder: Path, asked_for: set[str] | None) -> set[str]:
    """Return who was asked for by name, now or for an earlier issue: such a document stays in force."""
    named = set(asked_for or ())
    if any(learner.only_instructs and learner.has_played for learner in learners):
        for _, issue in issue_folders(folder):
            named.update(read_manifest(issue).asked_for)
    return named


def _chosen(
    kind: DocumentKind,
    learners: Sequence[SessionLearner],
    scope: Scope,
    asked_for: set[str] | None,
    named: set[str],
) -> tuple[list[SessionLearner], list[LeftOut]]:
    """Part the session's learners into those who get a document and those who do not."""
    chosen: list[SessionLearner] = []
    left_out: list[LeftOut] = []
    for learner in learners:
        reason: Reason | None = None
        if not learner.has_played:
            reason = learner.lacks or "never_played"
        elif learner.is_deleted and not learner.last_name and not learner.first_name:
            reason = "deleted_without_name"
        elif learner.only_instructs and learner.user_id not in named:
            reason = "instructs_the_session"
        elif asked_for is not None and learner.user_id not in asked_for:
            reason = "not_asked_for"
        if reason:
            left_out.append(LeftOut(learner.user_id, _name(learner), reason, learner.detail))
        else:
            chosen.append(learner)
    if not chosen:
        raise _nothing(kind, scope, left_out, is_limited=asked_for is not None)
    return chosen, left_out


def _nothing(kind: DocumentKind, scope: Scope, left_out: Sequence[LeftOut], *, is_limited: bool) -> UserError:
    """Return what to say where nobody gets a document."""
    where = f"the session {scope.session.session_id} ({scope.session.session_name})"
    if scope.month:
        where += f" in {scope.month}"
    lacking = [one for one in left_out if one.reason == "without_duration"]
    if lacking:
        return UserError(
            f"No {kind.noun} can be made in {where}: what {lacking[0].learner} completed has no planned duration "
            f"({lacking[0].detail}), and {len(lacking) - 1} more learners are so.\n"
            'Deliver these durations, or have such activities count for nothing: credit.without_duration = "zero"'
        )
    if left_out and all(one.reason == "nothing_completed" for one in left_out):
        return NothingToAttestError(f"Nobody has completed anything of {where}: there is no {kind.noun} to make.")
    if all(one.reason in ("never_played", "nothing_completed") for one in left_out):
        return NothingToAttestError(f"Nobody has played {where}: it has no connection, so there is nothing to attest.")
    if is_limited:
        return UserError(f"None of the learners asked for has a connection in {where}: there is nothing to attest.")
    return NothingToAttestError(
        f"All who played {where} are deleted and without a name, or instruct it and are not enrolled, so no "
        f"{kind.noun} is made. Who instructs it gets one by name: --user USER"
    )


def _name(learner: SessionLearner) -> str:
    return display_name(learner.user_id, learner.last_name, learner.first_name)


def _tasks(who: _Participants, latest: Path | None, earlier: Manifest | None) -> list[Task]:
    """Return one task a document: of those who get one, and of those not asked for who have one."""
    in_force = {one.user_id: one for one in earlier.documents} if earlier else {}
    cancelled = {one.user_id: one for one in earlier.cancelled} if earlier else {}
    kept = [one for one in in_force.values() if who.asked_for is not None and one.user_id not in who.asked_for]
    files = file_names(who.chosen, KINDS[who.kind_name].stem)
    taken = {one.file.casefold() for one in kept}
    tasks = []
    for learner in who.chosen:
        file = files[learner.user_id]
        if file.casefold() in taken:
            file = f"{Path(file).stem}-{hashlib.sha256(learner.user_id.encode()).hexdigest()[:12]}.pdf"
        document = in_force.get(learner.user_id)
        tasks.append(
            Task(
                learner.user_id,
                _name(learner),
                file,
                document or cancelled.get(learner.user_id),
                latest / document.file if document and latest else None,
            )
        )
    nameless = {one.user_id for one in who.left_out if one.reason == "deleted_without_name"}
    carried = [
        Task(one.user_id, one.learner, one.file, one, latest / one.file, is_carried=True)
        for one in kept
        if latest and one.user_id not in nameless
    ]
    return sorted([*tasks, *carried], key=lambda task: (task.file.casefold(), task.file)) if carried else tasks


def _require_all(job: IssueJob, outcomes: Sequence[Outcome]) -> None:
    """Raise OpcoError naming the learners whose document failed, UserError where all failed by a mistake."""
    failed = [outcome for outcome in outcomes if outcome.document is None]
    if not failed:
        return
    named = [
        f"  {shorten(one.task.learner, 60)} ({one.task.user_id[:60]}): {one.failure}" for one in failed[:FAILURES_NAMED]
    ]
    if len(failed) > FAILURES_NAMED:
        named.append(f"  and {len(failed) - FAILURES_NAMED} more")
    kind = UserError if all(one.is_mistake for one in failed) else OpcoError
    raise kind(
        "\n".join(
            [
                f"{len(failed)} of {len(outcomes)} {job.kind.nouns} could not be made, so issue {job.issue_number} is "
                "not complete and nothing was issued:",
                *named,
                f"The other {len(outcomes) - len(failed)} wait in {job.folder}. Once the cause is removed, run the "
                "command again: only what is missing is made.",
            ]
        )
    )


def _cancelled(plan: _Plan, left_out: Sequence[LeftOut]) -> tuple[CancelledDocument, ...]:
    """Return the documents in force no more and replaced by none.

    A name that the warehouse knows no longer is not carried on into a new manifest.
    """
    in_force = {task.user_id for task in plan.tasks}
    reasons = {one.user_id: one.reason for one in left_out}
    names = {one.user_id: one.learner for one in left_out if one.reason == "deleted_without_name"}
    newly = [
        CancelledDocument(
            user_id=one.user_id,
            learner=one.learner,
            number=one.number,
            issued_on=one.issued_on,
            total_seconds=one.total_seconds,
            cancelled_by_issue=plan.job.issue_number,
            reason=reasons.get(one.user_id, "left_the_session"),
        )
        for one in plan.documents_before
    ]
    return tuple(
        replace(one, learner=names.get(one.user_id, one.learner))
        for one in (*plan.cancelled_before, *newly)
        if one.user_id not in in_force
    )


def _with_causes_named(document: IssuedDocument, folder: Path, job: IssueJob) -> IssuedDocument:
    """Name what else the issue was made by in which the replaced document was made: rules, inputs, settings."""
    kinds = {cause.kind for cause in document.causes}
    if document.replaces is None or not kinds & {"inputs", "settings", *FIGURES}:
        return document
    made_in = int(document.replaces["number"].rpartition("/")[2])
    try:
        before = read_manifest(folder / f"issue-{made_in}")
    except OpcoError:
        return document
    settings, settings_before = printed_settings(job.scope.build), before.settings
    names = {
        "inputs": changed_inputs(before.inputs, job.printed_inputs),
        "settings": tuple(name for name in settings if settings_before.get(name) != settings[name]),
    }
    is_by_rules = before.rules_edition != job.scope.build.rules_edition and not kinds.isdisjoint(FIGURES)
    causes = [Cause("rules")] if is_by_rules else []
    causes += [Cause(one.kind, names=names[one.kind]) if one.kind in names else one for one in document.causes]
    return replace(document, causes=tuple(causes))


def _complete(part: Path, manifest: Manifest, target: Path, earlier_files: Mapping[str, Path]) -> None:
    """Put the kept PDFs in, remove what belongs to no document, write manifest and ZIP, and give the issue its name."""
    _remove(part / NOTES)
    files = {document.file for document in manifest.documents}
    for path in part.iterdir():
        if path.name not in files:
            path.unlink()
    for document in manifest.documents:
        if document.state == "kept":
            write_file(part / document.file, read_kept(earlier_files[document.file], document))
    write_file(part / MANIFEST, manifest.to_json())
    _write_zip(part, zip_names_of(manifest)[0])
    fsync_path(part)
    part.rename(target)
    fsync_path(target.parent)


def _summary(
    folder: Path, manifest: Manifest, warnings: Sequence[str], findings: tuple[Finding, ...], *, is_new: bool
) -> IssueSummary:
    path = zip_of_issue(folder, manifest)
    return IssueSummary(folder, manifest, is_new, path, sha256_of(path), tuple(warnings), findings)


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
