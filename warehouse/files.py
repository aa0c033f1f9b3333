"""Files that appear whole or not at all, what a killed process leaves of them, checksums, and safe names."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

CHUNK_BYTES = 1024 * 1024
# A name of our own, so that nobody else's file is ever taken for a leftover: .NAME.HOST.PID.TOKEN.opco-tmp
TEMPORARY = ".opco-tmp"
LEFTOVER = re.compile(r"\..*\.(?P<host>[A-Za-z0-9-]+)\.(?P<pid>\d+)\.[0-9a-f]{8}\.opco-tmp")
FOREIGN_AGE_SECONDS = 24 * 3600


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 lower-case hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def fsync_path(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def written_atomically(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it takes the final name in one rename.

    The temporary name begins with a dot and is removed when the block fails, so that no half-written
    file ever stands under the final name. What a killed process leaves of it `remove_leftovers` finds.
    """
    make_folder(target.parent)
    temporary = temporary_beside(target)
    try:
        yield temporary
        fsync_path(temporary)
        temporary.replace(target)
        fsync_path(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each on the disk under its name."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        fsync_path(one.parent)


def temporary_beside(target: Path) -> Path:
    """Return a hidden name beside `target` that is free, and that names the process that writes there."""
    # The longest name that file systems take is 255 bytes.
    name = target.name.encode()[:120].decode(errors="ignore")
    return target.with_name(f".{name}.{_host()}.{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY}")


def leftovers(folder: Path, *, below: bool = False) -> list[Path]:
    """Return what processes that were killed had begun to write in `folder`, or anywhere `below` it.

    That is a temporary name of a process of this machine that lives no more, or one of another machine that nobody
    has written to for a day.
    """
    pattern = f".*{TEMPORARY}*"
    found = ((path, LEFTOVER.match(path.name)) for path in (folder.rglob(pattern) if below else folder.glob(pattern)))
    return [path for path, match in found if match and _is_left(path, match["host"], int(match["pid"]))]


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove the `leftovers` in `folder`, and return what went."""
    removed = leftovers(folder)
    for path in removed:
        remove_whole(path)
    return removed


def remove_whole(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; one that is gone already is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_left(path: Path, host: str, pid: int) -> bool:
    if host == _host():
        return not is_alive(pid)
    with suppress(FileNotFoundError):
        return time.time() - path.lstat().st_mtime > FOREIGN_AGE_SECONDS
    return False


def _host() -> str:
    """Return this machine's name in letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", socket.gethostname().partition(".")[0])[:40] or "x"


def try_lock(stream: IO[Any], *, shared: bool = False) -> bool:
    """Take the lock of an open file if it is free, and return whether it was. The kernel drops it with its process."""
    try:
        fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def safe_file_name(text: str, *, fallback: str = "x", max_length: int = 60) -> str:
    """Return `text` as a file name of ASCII letters, digits, `.`, `_` and `-` only, never empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip(".-_")[:max_length].strip(".-_")
    return name or fallback
