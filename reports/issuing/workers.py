"""Makes the documents of an issue: a slice of learners at a time, in processes of their own.

What a slice has made stays on the disk with a note beside it, so that a document that fails, or a process that dies,
takes no other with it, and the next run makes only what is missing.
"""

from __future__ import annotations

import gc
import hashlib
import json
import resource
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from reports.attestation.kind import Printing
from reports.attestation.model import Replaced
from reports.issuing.changes import causes_of_change
from reports.issuing.manifest import Cause, IssuedDocument, document_of
from reports.issuing.naming import document_number
from reports.issuing.planner import IssueJob, Outcome, Planner, Task, in_slices
from reports.issuing.processes import begin, context
from warehouse.errors import OpcoError, UserError
from warehouse.files import fsync_path, sha256_of
from warehouse.published import file_of, open_published
from warehouse.steps import TellStep

# Objects that Python's collector lets grow before it looks; a page of the log makes some ten thousand.
COLLECT_AFTER = 50_000
# Documents after which a process gives way to a new one: Pango keeps some 80 kB of each.
RENEW_AFTER = 400
NOTES = "notes"
DIED = (
    "The processes that make the documents die as they start. Is there enough memory? "
    "Try fewer with the setting attestations.processes."
)


@dataclass(frozen=True)
class Limits:
    """What one document may take, where a process of its own makes it: seconds of processor time, bytes of memory."""

    seconds: int = 120
    memory: int = 2 * 10**9

    @property
    def too_slow(self) -> str:
        """Why a document failed that took too long."""
        return (
            f"it took more than the {self.seconds} seconds of processor time that the setting "
            "attestations.document_seconds allows"
        )

    @property
    def too_large(self) -> str:
        """Why a document failed that took too much memory."""
        return (
            f"it took more than the {self.memory // 10**6} MB of memory that the setting attestations.document_memory "
            "allows"
        )


class Worker(Planner):
    """Makes documents in this process."""

    def __init__(self, job: IssueJob, db: duckdb.DuckDBPyConnection, limits: Limits) -> None:
        """Prepare what documents share.

        Raises UserError for an unusable input, OpcoError when a system library is missing.
        """
        super().__init__(job, db)
        self.limits = limits
        try:
            printing = Printing(job.images, job.issued_on, job.allows_missing_letters)
            self._renderer = job.kind.renderer(db, job.scope, printing)
        except OSError as error:
            raise OpcoError(
                f"A library that WeasyPrint needs is missing: {error}. On Debian or Ubuntu install it with: "
                "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
            ) from error
        self.warnings = self._renderer.warnings

    def make(self, tasks: Sequence[Task], seconds: int = 0) -> list[Outcome]:
        """Make the documents of a slice of learners; what fails has its reason in its outcome.

        Where one takes more than `seconds` of processor time, this process ends; 0 for no limit.
        """
        records = self._records(tasks)
        outcomes = []
        for task in tasks:
            with time_limit(seconds):
                outcomes.append(self._outcome(task, records.get(task.user_id)))
        return outcomes

    def _outcome(self, task: Task, record: Any) -> Outcome:
        try:
            return self._made(task, record)
        except MemoryError:
            return Outcome(task, None, failure=self.limits.too_large)
        except Exception as error:
            reason = str(error) if isinstance(error, OpcoError) else f"{type(error).__name__}: {error}"
            return Outcome(task, None, failure=reason, is_mistake=isinstance(error, UserError))

    def _made(self, task: Task, record: Any) -> Outcome:
        if (document := self._stays(task, record)) is not None:
            return Outcome(task, document)
        if record is None:
            raise OpcoError("The published warehouse does not hold this learner's session.")
        job, earlier, printed = self._job, task.earlier, self._printed(record)
        note = job.folder / NOTES / f"{task.file}.json"
        key = self._key(task, printed)
        if (noted := _read_note(note, key, job.folder / task.file)) is not None:
            return noted
        job.kind.check_record(record, job.scope)
        number = document_number(
            job.scope.session.session_id, task.user_id, job.issue_number, job.kind.code, job.scope.month
        )
        replaced = Replaced(earlier.number, date.fromisoformat(earlier.issued_on)) if earlier else None
        rendered = self._renderer.render(record, number, replaced)
        job.kind.check_document(rendered.content, record)
        document = IssuedDocument(
            file=task.file,
            user_id=task.user_id,
            learner=task.learner,
            number=number,
            issue_number=job.issue_number,
            issued_on=job.issued_on.isoformat(),
            data_as_of=f"{job.scope.build.data_as_of.isoformat(timespec='microseconds')}Z",
            sha256=hashlib.sha256(rendered.content).hexdigest(),
            bytes=len(rendered.content),
            pages=rendered.pages,
            total_seconds=job.kind.seconds(record),
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
        write_file(job.folder / task.file, rendered.content)
        values = {"key": key, "document": asdict(document), "warnings": rendered.warnings}
        write_file(note, json.dumps(values, ensure_ascii=False).encode())
        return Outcome(task, document, rendered.warnings)

    def _causes(self, task: Task, printed: dict[str, str], record: Any) -> tuple[Cause, ...]:
        earlier = task.earlier
        if not isinstance(earlier, IssuedDocument):
            return ()
        kind = self._job.kind
        try:
            rows = kind.read(task.earlier_file.read_bytes()).rows if task.earlier_file else None
        except (OSError, ValueError):
            rows = None
        return causes_of_change(earlier.printed, printed, rows, kind.rows(record)) or (Cause("asked_for"),)

    def _key(self, task: Task, printed: dict[str, str]) -> str:
        """Return a digest of all that decides a document's bytes: a note with another key is of another document."""
        job, earlier = self._job, task.earlier
        deciding = [printed, job.issue_number, str(job.issued_on), job.scope.build.build_id, _release()]
        deciding += [earlier and [earlier.number, earlier.issued_on], task.file, task.learner]
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def make_documents(
    job: IssueJob,
    db: duckdb.DuckDBPyConnection,
    tasks: Sequence[Task],
    workers: int,
    limits: Limits,
    on_progress: TellStep,
    before_making: Callable[[], object],
) -> tuple[list[Outcome], tuple[str, ...]]:
    """Return the outcomes in the order of `tasks`, and warnings that concern all of them.

    At most `workers` processes make the documents, each within `limits`; 0 means this one, without, by `db`.
    `on_progress` is called first, and for each outcome as it comes, with those there are, all of them, and the learner;
    `before_making` before them, unless every document stays as it is.
    A process that dies fails the document that it was making, no other.
    """
    made: Iterable[Outcome]
    warnings: tuple[str, ...] = ()
    if (kept := _all_kept(job, db, tasks)) is not None:
        made = kept
    else:
        before_making()
        if workers:
            made, warnings = _in_processes(job, file_of(db), tasks, workers, limits)
        else:
            worker = Worker(job, db, limits)
            made = (outcome for part in in_slices(tasks) for outcome in worker.make(part))
            warnings = worker.warnings
    outcomes: list[Outcome] = []
    on_progress(0, len(tasks), "")
    for outcome in made:
        outcomes.append(outcome)
        on_progress(len(outcomes), len(tasks), outcome.task.learner)
    position = {task.user_id: number for number, task in enumerate(tasks)}
    return sorted(outcomes, key=lambda outcome: position[outcome.task.user_id]), warnings


def _all_kept(job: IssueJob, db: duckdb.DuckDBPyConnection, tasks: Sequence[Task]) -> list[Outcome] | None:
    """Return the outcomes where every document stays as it is, found without what makes documents; None elsewhere.

    A night looks at every session that ended lately, and few of them changed.
    """
    if job.is_forced or not all(isinstance(task.earlier, IssuedDocument) for task in tasks):
        return None
    planner, outcomes = Planner(job, db), list[Outcome]()
    for part in in_slices(tasks):
        try:
            kept = planner.kept(part)
        except OpcoError:
            # A PDF that is no longer what it was is reported with its learner, like all that fails.
            return None
        if len(kept) < len(part):
            return None
        outcomes += kept
    return outcomes


def _in_processes(
    job: IssueJob, warehouse: Path, tasks: Sequence[Task], workers: int, limits: Limits
) -> tuple[Iterator[Outcome], tuple[str, ...]]:
    slices = deque(in_slices(tasks, workers))
    pool: list[_Process] = []
    try:
        for _ in range(min(workers, len(slices))):
            pool.append(_Process(job, warehouse, limits))  # noqa: PERF401 - one that fails leaves the others to stop
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
                    reason = process.why_it_died()
                    process.restart()
                    if len(tasks) == 1:
                        yield Outcome(tasks[0], None, failure=reason)
                    else:
                        # Each alone: those already made are noted, and only the one to blame dies again.
                        slices.extendleft([task] for task in reversed(tasks))
    finally:
        for process in pool:
            process.stop()


class _Process:
    """One worker process, started again when it has died."""

    def __init__(self, job: IssueJob, warehouse: Path, limits: Limits) -> None:
        self._job = job
        self._warehouse = warehouse
        self._limits = limits
        self._start()

    def _start(self) -> None:
        # What watches over the parent begins before the process waits for work: nobody may be left to send any.
        self._executor = ProcessPoolExecutor(1, mp_context=context(), initializer=begin)
        try:
            self._prepared = self._executor.submit(_prepare, self._job, self._warehouse, self._limits)
        except (EOFError, OSError) as error:
            raise OpcoError(DIED) from error
        self.made = 0
        # A pool whose process died no longer knows it.
        (self._child,) = self._executor._processes.values()

    def warnings(self) -> tuple[str, ...]:
        """Return what was noticed while the process prepared itself; raise what kept it from it."""
        try:
            return self._prepared.result()
        except BrokenProcessPool as error:
            raise OpcoError(DIED) from error

    def make(self, tasks: Sequence[Task]) -> Future[list[Outcome]]:
        """Begin to make a slice."""
        try:
            future = self._executor.submit(_make, tasks)
        except BrokenProcessPool:
            # It died while it had nothing to do.
            self.restart()
            future = self._executor.submit(_make, tasks)
        self.made += len(tasks)
        return future

    def why_it_died(self) -> str:
        """Return why a process that died failed its document."""
        # The pool asks what ended it, and only one can be told: whoever else asks meanwhile spoils both answers.
        self._executor.shutdown(wait=True)
        if self._child.exitcode == -signal.SIGPROF:
            return self._limits.too_slow
        return "the process that made it died (out of memory, or a fault in a system library)"

    def restart(self) -> None:
        """Put a new process in the place of one that died."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """End the process, whatever it is making."""
        self._child.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)


_worker: Worker | None = None


def _prepare(job: IssueJob, warehouse: Path, limits: Limits) -> tuple[str, ...]:
    global _worker
    # WeasyPrint puts the fonts in a folder that a process that is killed cannot remove; the notes go with the run.
    tempfile.tempdir = str(job.folder / NOTES)
    limit_memory(limits.memory)
    _worker = Worker(job, open_published(warehouse), limits)
    calm_collector()
    return _worker.warnings


def calm_collector() -> None:
    """Keep Python's collector from looking through what stays, and through every few hundred new objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 10, 10)


def _make(tasks: Sequence[Task]) -> list[Outcome]:
    if _worker is None:
        raise OpcoError("A process that makes the documents could not prepare itself. Run the command again.")
    return _worker.make(tasks, _worker.limits.seconds)


def limit_memory(memory: int) -> None:
    """Take from this process what it would write to memory beyond `memory` bytes."""
    # Not its addresses: each thread reserves some that it never uses.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """End this process where what is within takes more than `seconds` of its processor time; 0 for no limit.

    The kernel does it: what hangs in a library is ended too, and a busy machine ends nothing.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def write_file(path: Path, content: bytes) -> None:
    """Write a file to the disk: it stands under its name when it is whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    fsync_path(temporary)
    temporary.replace(path)


@cache
def _release() -> str:
    """Return a digest of the code that makes documents: what another release began is not taken over."""
    files = sorted(
        path for path in Path(__file__).parents[1].rglob("*") if path.suffix in {".py", ".toml", ".html", ".css"}
    )
    return hashlib.sha256("".join(sha256_of(path) for path in files).encode()).hexdigest()


def _read_note(note: Path, key: str, file: Path) -> Outcome | None:
    """Return what an earlier run that did not end has made, if it is the document that is wanted and whole."""
    try:
        values = json.loads(note.read_bytes())
        if values["key"] != key or sha256_of(file) != values["document"]["sha256"]:
            return None
    except (OSError, ValueError, KeyError):
        return None
    made = document_of(values["document"])
    return Outcome(Task(made.user_id, made.learner, made.file), made, tuple(values["warnings"]))
