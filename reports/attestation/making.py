"""Makes the documents of an issue: a slice of learners at a time, in processes of their own.

What a slice has made stays on the disk with a note beside it, so that a document that fails, or a process that dies,
takes no other with it, and the next run makes only what is missing.
"""

from __future__ import annotations

import gc
import hashlib
import json
import multiprocessing
import os
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from reports.attestation.manifest import CancelledDocument, Cause, IssuedDocument
from reports.attestation.model import AttestationInputs, Build, CheckedImage, LearnerRecord, Session
from reports.attestation.printed import causes_of_change, learner_digests, shared_digests
from reports.attestation.proof import read_proof, read_rows
from reports.attestation.queries import (
    read_evidence_levels,
    read_inexplicit_end_kinds,
    read_learner_records,
)
from reports.warehouse import open_published
from warehouse.errors import OpcoError
from warehouse.files import fsync_path, sha256_of

# Learners read and made at a time: memory stays flat however many played the session.
SLICE = 8
# Objects that Python's collector lets grow before it looks; a page of the log makes some ten thousand.
COLLECT_AFTER = 50_000
# Documents after which a process gives way to a new one: Pango keeps some 80 kB of each.
RENEW_AFTER = 400
NOTES = "notes"


@dataclass(frozen=True)
class Job:
    """What all documents of an issue share.

    `place` is the folder where they are made; where not `replaces_for_inputs`, a document that differs in its inputs
    alone stays.
    """

    warehouse: Path
    session: Session
    build: Build
    inputs: AttestationInputs
    printed_inputs: dict[str, Any]
    images: dict[str, CheckedImage]
    issue_number: int
    issued_on: date
    is_forced: bool
    replaces_for_inputs: bool
    place: Path
    release: str


@dataclass(frozen=True)
class Task:
    """One learner's document: the file to make, and the document that the learner has had, if any.

    `earlier_file` is the PDF of `earlier` where that is in force; where `is_carried`, it is kept whatever the data say
    now.
    """

    user_id: str
    learner: str
    file: str
    earlier: IssuedDocument | CancelledDocument | None = None
    earlier_file: Path | None = None
    is_carried: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a task: a document, with what was noticed, or why there is none."""

    task: Task
    document: IssuedDocument | None
    warnings: tuple[str, ...] = ()
    failure: str = ""


class Keeper:
    """Finds the documents that stay as they are: those that would print the same."""

    def __init__(self, job: Job) -> None:
        """Open the warehouse."""
        self._job = job
        self._connection = open_published(job.warehouse)
        self._shared = shared_digests(job.printed_inputs, job.session, job.build)

    def close(self) -> None:
        """Close the warehouse."""
        self._connection.close()

    def kept(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Return the outcomes of those of a slice of learners whose documents stay."""
        records = self._records(tasks)
        found = ((task, self._stays(task, records.get(task.user_id))) for task in tasks)
        return [Outcome(task, document) for task, document in found if document is not None]

    def _records(self, tasks: Sequence[Task]) -> dict[str, LearnerRecord]:
        read = [task.user_id for task in tasks if not task.is_carried]
        records = read_learner_records(self._connection, self._job.session.session_id, read, self._job.build)
        return {record.user_id: record for record in records}

    def _printed(self, record: LearnerRecord) -> dict[str, str]:
        return self._shared | learner_digests(record)

    def _is_outdated(self, earlier: IssuedDocument, record: LearnerRecord) -> bool:
        printed = self._printed(record)
        if not self._job.replaces_for_inputs:
            printed["inputs"] = earlier.printed["inputs"]
        return earlier.printed != printed

    def _stays(self, task: Task, record: LearnerRecord | None) -> IssuedDocument | None:
        """Return the document in force where it goes on, having looked whether its PDF is what it was."""
        earlier = task.earlier
        if not isinstance(earlier, IssuedDocument):
            return None
        if record is not None and (self._job.is_forced or self._is_outdated(earlier, record)):
            return None
        if task.earlier_file is not None:
            read_kept(task.earlier_file, earlier)
        return replace(earlier, file=task.file, state="kept", replaces=None, seconds_before=None, causes=())


class Maker(Keeper):
    """Makes documents in this process."""

    def __init__(self, job: Job) -> None:
        """Open the warehouse and prepare what documents share.

        Raises UserError for an unusable input, OpcoError when a system library is missing.
        """
        try:
            # WeasyPrint takes half a second and Pango to load: not before they are needed.
            from reports.attestation.rendering import Renderer
        except OSError as error:
            raise OpcoError(
                f"A library that WeasyPrint needs is missing: {error}. On Debian or Ubuntu install it with: "
                "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
            ) from error
        super().__init__(job)
        language = job.inputs.language
        self._renderer = Renderer(
            job.inputs,
            job.images,
            job.session,
            job.build,
            read_inexplicit_end_kinds(self._connection, language),
            read_evidence_levels(self._connection, language),
            job.issue_number,
            job.issued_on,
        )
        self.warnings = self._renderer.warnings

    def make(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Make the documents of a slice of learners; what fails is told in its outcome."""
        records = self._records(tasks)
        return [self._outcome(task, records.get(task.user_id)) for task in tasks]

    def _outcome(self, task: Task, record: LearnerRecord | None) -> Outcome:
        try:
            return self._made(task, record)
        except Exception as error:
            reason = str(error) if isinstance(error, OpcoError) else f"{type(error).__name__}: {error}"
            return Outcome(task, None, failure=reason)

    def _made(self, task: Task, record: LearnerRecord | None) -> Outcome:
        if (document := self._stays(task, record)) is not None:
            return Outcome(task, document)
        if record is None:
            raise OpcoError("The published warehouse does not hold this learner's session.")
        earlier, printed = task.earlier, self._printed(record)
        note = self._job.place / NOTES / f"{task.file}.json"
        key = self._key(task, printed)
        if (noted := _read_note(note, key, self._job.place / task.file)) is not None:
            return noted
        _check_sums(record, self._job.session)
        rendered = self._renderer.render(record, earlier.as_replaced if earlier else None)
        _check_proof(rendered.content, record)
        document = IssuedDocument(
            file=task.file,
            user_id=task.user_id,
            learner=task.learner,
            number=rendered.number,
            issue_number=self._job.issue_number,
            issued_on=self._job.issued_on.isoformat(),
            data_as_of=f"{self._job.build.data_as_of.isoformat(timespec='microseconds')}Z",
            sha256=hashlib.sha256(rendered.content).hexdigest(),
            bytes=len(rendered.content),
            pages=rendered.pages,
            total_seconds=record.totals.retained_seconds,
            state="replaced" if earlier else "new",
            printed=printed,
        )
        if earlier:
            document = replace(
                document,
                replaces={"number": earlier.number, "issued_on": earlier.issued_on},
                seconds_before=earlier.total_seconds,
                causes=self._causes(task, printed, record),
            )
        write_file(self._job.place / task.file, rendered.content)
        values = {"key": key, "document": asdict(document), "warnings": rendered.warnings}
        write_file(note, json.dumps(values, ensure_ascii=False).encode())
        return Outcome(task, document, rendered.warnings)

    def _causes(self, task: Task, printed: dict[str, str], record: LearnerRecord) -> tuple[Cause, ...]:
        earlier = task.earlier
        if not isinstance(earlier, IssuedDocument):
            return ()
        try:
            rows = read_rows(task.earlier_file.read_bytes()) if task.earlier_file else None
        except OSError:
            rows = None
        return causes_of_change(earlier.printed, printed, rows, record.log) or (Cause("asked_for"),)

    def _key(self, task: Task, printed: dict[str, str]) -> str:
        """Return a digest of all that decides a document's bytes: a note with another key is of another document."""
        job, earlier = self._job, task.earlier
        deciding = [printed, job.issue_number, str(job.issued_on), job.build.build_id, job.release]
        deciding += [earlier and [earlier.number, earlier.issued_on], task.file, task.learner]
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def make_documents(
    job: Job, tasks: Sequence[Task], workers: int, told: Callable[[Outcome], None]
) -> tuple[list[Outcome], tuple[str, ...]]:
    """Return the outcomes in the order of `tasks`, and warnings that concern all of them.

    At most `workers` processes make the documents; 0 means this one. `told` is called for each outcome as it comes.
    A process that dies fails the document that it was making, no other.
    """
    place = {task.user_id: position for position, task in enumerate(tasks)}
    outcomes: list[Outcome] = []
    made, warnings = _made(job, tasks, workers)
    for outcome in made:
        outcomes.append(outcome)
        told(outcome)
    return sorted(outcomes, key=lambda outcome: place[outcome.task.user_id]), warnings


def _made(job: Job, tasks: Sequence[Task], workers: int) -> tuple[Iterator[Outcome], tuple[str, ...]]:
    if (kept := _all_kept(job, tasks)) is not None:
        return iter(kept), ()
    if workers:
        return _in_processes(job, tasks, workers)
    maker = Maker(job)
    return _here(maker, tasks), maker.warnings


def _all_kept(job: Job, tasks: Sequence[Task]) -> list[Outcome] | None:
    """Return the outcomes where every document stays as it is, found without what makes documents; None elsewhere.

    A night looks at every session that ended lately, and few of them changed.
    """
    if job.is_forced or not all(isinstance(task.earlier, IssuedDocument) for task in tasks):
        return None
    outcomes: list[Outcome] = []
    with closing(Keeper(job)) as keeper:
        for part in _slices(tasks, 1):
            try:
                kept = keeper.kept(part)
            except OpcoError:
                # A PDF that is no longer what it was is told of with its learner, like all that fails.
                return None
            if len(kept) < len(part):
                return None
            outcomes += kept
    return outcomes


def _here(maker: Maker, tasks: Sequence[Task]) -> Iterator[Outcome]:
    with closing(maker):
        for part in _slices(tasks, 1):
            yield from maker.make(part)


def _slices(tasks: Sequence[Task], workers: int) -> Iterator[Sequence[Task]]:
    """Part the tasks so that each process gets several turns, and none waits long for the last."""
    size = max(1, min(SLICE, len(tasks) // (4 * workers)))
    return (tasks[start : start + size] for start in range(0, len(tasks), size))


def _in_processes(job: Job, tasks: Sequence[Task], workers: int) -> tuple[Iterator[Outcome], tuple[str, ...]]:
    slices = deque(_slices(tasks, workers))
    pool = [_Process(job) for _ in range(min(workers, len(slices)))]
    try:
        warnings = pool[0].warnings()
    except BaseException:
        for process in pool:
            process.stop()
        raise
    return _dealt(pool, slices), warnings


def _dealt(pool: list[_Process], slices: deque[Sequence[Task]]) -> Iterator[Outcome]:
    """Deal slices to the processes and yield what they make."""
    running: dict[Future[list[Outcome]], tuple[_Process, Sequence[Task]]] = {}
    idle = list(pool)
    try:
        while slices or running:
            while slices and idle:
                process, tasks = idle.pop(), slices.popleft()
                running[process.make(tasks)] = (process, tasks)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                process, tasks = running.pop(future)
                idle.append(process)
                try:
                    outcomes = future.result()
                    if process.made >= RENEW_AFTER:
                        process.restart()
                    yield from outcomes
                except BrokenProcessPool:
                    process.restart()
                    if len(tasks) == 1:
                        reason = "the process that made it died (out of memory, or a fault in a system library)"
                        yield Outcome(tasks[0], None, failure=reason)
                    else:
                        # Each alone: those already made are noted, and only the one to blame dies again.
                        slices.extendleft([task] for task in reversed(tasks))
    finally:
        for process in pool:
            process.stop()


class _Process:
    """One worker process, started anew when it has died."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._start()

    def _start(self) -> None:
        others = set(multiprocessing.active_children())
        # A forked child would inherit locks that other threads of this process hold.
        self._executor = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        self._prepared = self._executor.submit(_prepare, self._job)
        self.made = 0
        self._children = set(multiprocessing.active_children()) - others

    def warnings(self) -> tuple[str, ...]:
        """Return what was noticed while the process prepared itself; raise what kept it from it."""
        try:
            return self._prepared.result()
        except BrokenProcessPool as error:
            raise OpcoError(
                "The processes that make the documents die as they start. Is there enough memory? "
                "Try fewer with the setting attestations.processes."
            ) from error

    def make(self, tasks: Sequence[Task]) -> Future[list[Outcome]]:
        """Begin to make a slice."""
        self.made += len(tasks)
        return self._executor.submit(_make, tasks)

    def restart(self) -> None:
        """Put a new process in the place of one that died."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """End the process, whatever it is making."""
        for child in self._children:
            child.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)


_maker: Maker | None = None


def _prepare(job: Job) -> tuple[str, ...]:
    global _maker
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Ctrl-C reaches the whole group: the parent ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # WeasyPrint puts the fonts in a folder that a process that is killed cannot remove; the notes go with the run.
    tempfile.tempdir = str(job.place / NOTES)
    _maker = Maker(job)
    calm_collector()
    return _maker.warnings


def calm_collector() -> None:
    """Keep Python's collector from looking through what stays, and through every few hundred new objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 10, 10)


def _make(tasks: Sequence[Task]) -> list[Outcome]:
    if _maker is None:
        raise OpcoError("A process that makes the documents could not prepare itself. Run the command again.")
    return _maker.make(tasks)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def read_kept(path: Path, document: IssuedDocument) -> bytes:
    """Return the bytes of a document of an earlier issue. Raises OpcoError when they are gone or others."""
    try:
        content, reason = path.read_bytes(), "it has been changed since"
    except OSError as error:
        content, reason = b"", error.strerror or str(error)
    if hashlib.sha256(content).hexdigest() != document.sha256:
        raise OpcoError(
            f"The PDF of attestation {document.number}, {path}, cannot be kept: {reason}. Restore it from the issue's "
            "ZIP or a backup, or make all anew with --force."
        )
    return content


def write_file(path: Path, content: bytes) -> None:
    """Write a file to the disk: it stands under its name when it is whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    fsync_path(temporary)
    temporary.replace(path)


def _read_note(note: Path, key: str, file: Path) -> Outcome | None:
    """Return what an earlier run that did not end has made, if it is the document that is wanted and whole."""
    try:
        values = json.loads(note.read_bytes())
        if values["key"] != key or sha256_of(file) != values["document"]["sha256"]:
            return None
    except (OSError, ValueError, KeyError):
        return None
    document = values["document"]
    causes = tuple(Cause(one["kind"], one["count"], tuple(one["names"])) for one in document.pop("causes"))
    made = IssuedDocument(**document, causes=causes)
    return Outcome(Task(made.user_id, made.learner, made.file), made, tuple(values["warnings"]))


def _check_sums(record: LearnerRecord, session: Session) -> None:
    """Hold the rows of the log against the learner's total: no document whose lines do not add up."""
    total = sum(line.retained_seconds or 0 for line in record.log)
    if total != record.totals.retained_seconds or len(record.log) != record.totals.connection_count:
        raise OpcoError(
            f"The log of learner {record.user_id} in session {session.session_id} has {len(record.log)} lines and "
            f"{total} seconds, but fct_learner_sessions says {record.totals.connection_count} and "
            f"{record.totals.retained_seconds}. Build the warehouse again with: opco build --raw FOLDER"
        )


def _check_proof(content: bytes, record: LearnerRecord) -> None:
    """Read the finished PDF as its holder would, and hold it against the learner's total, to the second."""
    try:
        proof = read_proof(content)
    except ValueError as error:
        raise OpcoError(f"The finished PDF cannot be checked: {error}.") from error
    fault = proof.fault()
    totals = record.totals
    if not fault and (proof.printed_seconds, len(proof.rows)) != (totals.retained_seconds, totals.connection_count):
        fault = (
            f"it prints {proof.printed_seconds} seconds and holds {len(proof.rows)} rows, fct_learner_sessions says "
            f"{totals.retained_seconds} and {totals.connection_count}"
        )
    if fault:
        raise OpcoError(f"The finished PDF does not add up: {fault}.")
