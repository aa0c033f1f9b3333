"""The raw folder: which files of which table lie in it, and how they are opened so that nothing outside it is read."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from warehouse.contract import RawTable, raw_tables
from warehouse.errors import OpcoError, UserError
from warehouse.readers import SUFFIXES

# So many files that belong to no table are named of one folder; the others are counted.
NAMED_STRANGERS = 20
KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True)
class RawFiles:
    """What lies in a raw folder: the files of each table (paths in the folder), what is odd, what stops a load."""

    files: Mapping[RawTable, list[str]]
    warnings: tuple[str, ...]
    stops: tuple[str, ...]


def find_files(raw_folder: Path) -> RawFiles:
    """Return the delivered files by table, a warning for each file of no table, and what is no file to be read.

    A table's folder holds parts at any depth; names that begin with . or _ are ignored. Raises UserError when the
    folder is not there.
    """
    if not raw_folder.is_dir():
        raise UserError(f"{raw_folder}: no such raw folder. Give the folder that holds the LMS's tables with --raw.")
    tables = raw_tables()
    found: dict[RawTable, list[str]] = {}
    forms: dict[RawTable, list[str]] = {}
    warnings: list[str] = []
    stops: list[str] = []
    for top in _entries(raw_folder):
        is_folder = top.is_dir(follow_symlinks=False)
        table = tables.get(top.name) if is_folder else _table_of_file(top.name)
        parts, strangers = [], []
        for entry in _below(top):
            file = Path(entry.path).relative_to(raw_folder).as_posix()
            kind = stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
            if kind != stat.S_IFREG:
                stops.append(
                    f"{_printable(file)}: is {KINDS.get(kind, 'no regular file')}. Only regular files inside the raw "
                    "folder are read: put the file itself there, or take it away."
                )
            elif table is None or _suffix(entry.name) is None:
                strangers.append(_printable(file))
            elif not file.isprintable():
                stops.append(f"{_printable(file)}: the file name {file!r} is not readable text. Give it another name.")
            else:
                parts.append(file)
        reason = f"of no known format ({', '.join(SUFFIXES)})" if table else "belongs to no table of the raw contract"
        warnings += [f"{file}: {reason}, ignored" for file in strangers[:NAMED_STRANGERS]]
        if (others := len(strangers) - NAMED_STRANGERS) > 0:
            warnings.append(f"{_printable(top.name)}: ignored likewise, {others:,} more files")
        if table and parts:
            found.setdefault(table, []).extend(parts)
            forms.setdefault(table, []).append(top.name)
    stops += [
        f"{raw_folder}: snapshot table {table.name} is delivered in {len(names)} forms ({', '.join(names)}). Keep one."
        for table, names in forms.items()
        if len(names) > 1 and not table.is_growing
    ]
    for files in found.values():
        files.sort(key=str.encode)
    return RawFiles(found, tuple(warnings), tuple(stops))


def missing_tables(raw_folder: Path, found: Collection[RawTable], delivered_before: Collection[str]) -> str | None:
    """Return what a delivery of these tables lacks, in words; None when nothing is missing."""
    if not found:
        return f"{raw_folder}: holds no table of the raw contract. Expected files such as users.csv or courses.parquet."
    missing = [table.name for table in raw_tables().values() if table.presence == "required" and table not in found]
    if missing:
        return (
            f"{raw_folder}: lacks the required table{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
            f"Deliver {'them' if len(missing) > 1 else 'it'} as {missing[0]}{', '.join(SUFFIXES)}, or a folder "
            f"{missing[0]}/ of such files."
        )
    alternatives = [table for table in raw_tables().values() if table.presence == "either"]
    if not any(table in found or table.name in delivered_before for table in alternatives):
        names = " nor ".join(table.name for table in alternatives)
        return f"{raw_folder}: holds neither {names}. At least one of them must be delivered."
    return None


@contextmanager
def opened(raw_folder: Path, file: str) -> Iterator[Path]:
    """Open a file of the raw folder and yield a path to what is open, whatever happens to its name meanwhile.

    No link is followed on the way to it. Raises UserError for what is no regular file, OpcoError for what cannot be
    opened.
    """
    descriptor = _opened(raw_folder, file)
    try:
        yield Path(f"/dev/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _opened(raw_folder: Path, file: str) -> int:
    descriptor = os.open(raw_folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in PurePosixPath(file).parts:
            # Without waiting: the opening of a pipe would, for ever.
            inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UserError(f"{file}: is no regular file. Only regular files inside the raw folder are read.")
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise UserError(f"{file}: is a link, or leads over one. Put the file itself there.") from error
        raise OpcoError(f"{raw_folder / file}: cannot be opened ({error.strerror}). Check its permissions.") from error
    except UserError:
        os.close(descriptor)
        raise
    return descriptor


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what stands in a folder and is not ignored, in the byte order of names."""
    with os.scandir(folder) as entries:
        return sorted(
            (entry for entry in entries if not entry.name.startswith((".", "_"))),
            key=lambda entry: os.fsencode(entry.name),
        )


def _below(top: os.DirEntry[str]) -> Iterator[os.DirEntry[str]]:
    """Yield what is no folder: the entry itself, or all that is in it at any depth."""
    waiting = [top]
    while waiting:
        entry = waiting.pop()
        if entry.is_dir(follow_symlinks=False):
            waiting += reversed(_entries(Path(entry.path)))
        else:
            yield entry


def _table_of_file(name: str) -> RawTable | None:
    suffix = _suffix(name)
    return raw_tables().get(name.removesuffix(suffix)) if suffix else None


def _suffix(name: str) -> str | None:
    return next((suffix for suffix in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(suffix)), None)


def _printable(file: str) -> str:
    return os.fsencode(file).decode(errors="replace")
