"""What a person sees in the terminal, and a program: results, progress, errors."""

from __future__ import annotations

import errno
import io
import json
import locale
import os
import sys
import threading
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from orchestration.home.paths import option_of_home
from orchestration.home.variables import ENCODING_VARIABLE
from warehouse.project import PROJECT_DIR


@dataclass(frozen=True)
class Result:
    """What a command found or did. Its fields are what `--json` prints, and so a public interface."""

    command: ClassVar[str]

    def __init_subclass__(cls, command: str = "") -> None:
        cls.command = command

    @property
    def ok(self) -> bool:
        """Whether all is well; else the command ends with exit code 1."""
        return True

    def facts(self) -> dict[str, Any]:
        """Return what `--json` prints after `command` and `ok`."""
        return asdict(self)

    def lines(self) -> Iterable[str]:
        """Return what people read."""
        raise NotImplementedError


@dataclass(frozen=True)
class HomeResult(Result):
    """A result of one home."""

    home: Path


def print_result(result: Result, *, as_json: bool) -> None:
    """Print a result as one line of JSON, or as lines for people. Raises typer.Exit where all is not well."""
    if as_json:
        print_json({"command": result.command, "ok": result.ok, **result.facts()})
    else:
        print_lines(result.lines())
    if not result.ok:
        raise typer.Exit(1)


# After so long without a line somebody would wonder.
QUIET_SECONDS = 1.5


class TerminalProgress:
    """Progress on stderr: a bar on a terminal; elsewhere a line as a stage begins, as it ends, and where it takes long.

    A line says how many steps of how many are done, and what is waited for.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars: Progress | None = None
        if self._console.is_terminal:
            self._bars = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}", style="dim", markup=False),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
        self._task: TaskID | None = None
        self._title, self._note = "", ""
        self._context = copy_context()
        self._done = 0
        self._total: int | None = None
        self._began_at = self._told_at = time.monotonic()

    def shown(self) -> AbstractContextManager[object]:
        """Show the progress while the block lasts."""
        return self._bars or self._told()

    def stage(self, title: str, total: int | None = None, note: str = "") -> None:
        """Begin a stage; the one before it is over."""
        self._title, self._note, self._done, self._total = title, plain(note), 0, total
        # Of which run the stage is, whichever thread tells of it.
        self._context = copy_context()
        self._began_at = time.monotonic()
        if self._bars is None:
            self._tell()
            return
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(title, total=total, note=self._note)

    def step(self, note: str = "") -> None:
        """Move the bar by one."""
        self._move(self._done + 1, self._total, note)

    def at(self, done: int, total: int, note: str = "") -> None:
        """Set the bar."""
        self._move(done, total, note)

    def _move(self, done: int, total: int | None, note: str) -> None:
        self._done, self._total, self._note = done, total, plain(note)
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done, total=total, note=self._note)
        elif self._bars is None and (done == total or self._is_quiet()):
            self._tell()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell where the stage is while the block lasts, where a step takes long."""
        is_over = threading.Event()

        def tell() -> None:
            while not is_over.wait(QUIET_SECONDS / 3):
                if self._title and self._is_quiet():
                    self._tell()

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield
        finally:
            is_over.set()
            teller.join()

    def _is_quiet(self) -> bool:
        return time.monotonic() - self._told_at >= QUIET_SECONDS

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        seconds = int(self._told_at - self._began_at)
        steps = f"{self._done:,} of {self._total:,}" if self._total is not None else ""
        where = ", ".join(filter(None, (steps, f"{seconds} s" if seconds else "")))
        line = Text(f"{self._title}… {where}".rstrip() + (f": {self._note}" if self._note else ""))
        self._context.copy().run(self._console.print, line, soft_wrap=True)


OWN_PREFIX = "OPCO_"
STDOUT, STDERR = 1, 2


def restart_in_utf8() -> None:
    """Begin this process again in Python's UTF-8 mode, where its locale takes names of files for something else.

    DuckDB and whatever is started here take names as UTF-8, so that they would look for other files. Arguments and our
    variables that are no UTF-8 are text of the terminal's, and become it.
    """
    if sys.getfilesystemencoding() == "utf-8" or ENCODING_VARIABLE in os.environ:
        return
    ours = {name: _in_utf8(value) for name, value in os.environ.items() if name.startswith(OWN_PREFIX)}
    encoding = getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(False)
    environment = {**os.environb, **{os.fsencode(name): value for name, value in ours.items()}}
    environment |= {b"PYTHONUTF8": b"1", os.fsencode(ENCODING_VARIABLE): encoding.encode()}
    arguments = [_in_utf8(one) for one in (sys.executable, *sys.orig_argv[1:])]
    os.execve(sys.executable, arguments, environment)  # noqa: S606 - it is this program itself


def _in_utf8(text: str) -> bytes:
    raw = os.fsencode(text)
    try:
        raw.decode()
    except UnicodeDecodeError:
        return text.encode(errors="surrogateescape")
    return raw


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Let no writing to stdout or stderr fail while the block lasts: what was done does not end with an error for it.

    Letters that the terminal lacks are replaced. What a closed or full stream takes no more is lost; a full stdout
    is reported on stderr at the end.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # Else the next file that is opened would be taken for the stream.
            os.open(os.devnull, os.O_RDWR)
    before = (sys.stdout, sys.stderr)
    encoding = os.environ.pop(ENCODING_VARIABLE, None)
    out, err = _Lasting(STDOUT), _Lasting(STDERR)
    sys.stdout, sys.stderr = (_text(raw, old, encoding) for raw, old in zip((out, err), before, strict=True))
    streams = (sys.stdout, sys.stderr)
    try:
        yield
    finally:
        sys.stdout.flush()
        if out.failure is not None and out.failure.errno != errno.EPIPE:
            streams[1].write(
                f"Warning: standard output took no more ({out.failure.strerror}). What was done is done; what the "
                "command says at its end is lost.\n"
            )
        for stream in streams:
            stream.flush()
        sys.stdout, sys.stderr = before


class _Lasting(io.FileIO):
    """A descriptor to write to that never fails; `failure` is the first reason why it would have."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write `data`, or lose it."""
        try:
            return super().write(data)
        except OSError as error:
            self.failure = self.failure or error
            return len(data)


def _text(raw: io.FileIO, before: Any, encoding: str | None) -> io.TextIOWrapper:
    encoding = encoding or getattr(before, "encoding", None) or "utf-8"
    by_lines = raw.isatty() or raw.fileno() == STDERR
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors="replace", line_buffering=by_lines)


def plain(text: object) -> str:
    """Return `text` without characters that would steer a terminal."""
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in str(text))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout, as they are."""
    for line in lines:
        sys.stdout.write(plain(line) + "\n")


def print_json(facts: Mapping[str, Any]) -> None:
    """Print the one machine-readable line on stdout. Where it is not written in UTF-8, with letters as numbers."""
    takes_all = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(facts, ensure_ascii=not takes_all, default=str) + "\n")


def table(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """Return rows of cells as lines of aligned columns; those whose numbers are in `right` end at one edge."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def home_option(home: Path) -> str:
    """Return what follows a command that is named as the next one, so that it is about the same home."""
    return "" if home == PROJECT_DIR else option_of_home(home)


def print_error(message: str) -> None:
    """Print an error on stderr: the first line says what is wrong, the others what to do."""
    Console(stderr=True).print(Text.assemble(("Error: ", "bold red"), plain(message)), soft_wrap=True)
