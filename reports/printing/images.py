"""Images an organisation puts on its documents: read from its assets folder only, kind checked by content.

No image is decoded in the process that reads it: `reports.printing.cell` is the program that does, within limits.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.errors import UserError

MAX_BYTES = 2 * 1024 * 1024
CELL = "reports.printing.cell"
CPU_SECONDS, WALL_SECONDS = 6, 20
MEMORY_BYTES = 1024**3
TOO_MUCH = f"takes more than {CPU_SECONDS} seconds of processor time or {MEMORY_BYTES >> 30} GiB of memory to draw."
CELLS = threading.BoundedSemaphore(2)
"""So many at a time in one process: the others wait."""
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG")
"""What of the environment the cell needs; secrets stand there too."""


@dataclass(frozen=True)
class CheckedImage:
    """An image of the assets folder as documents take it: its picture alone, as plain PNG, JPEG or SVG.

    `sha256` is that of the file; `dots` are pixels of `content` a CSS pixel. `left_out` names what an SVG lost,
    `messages` what was noticed when it was drawn.
    """

    name: str
    mime_type: str
    content: bytes
    sha256: str
    left_out: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    dots: float = 1.0


def read_images(assets: Path, names: Mapping[str, str | None]) -> dict[str, CheckedImage]:
    """Return the images by what they are for ("logo", "stamp"), where there is a name. Errors as `read_image`."""
    with ThreadPoolExecutor() as cells:
        read = {part: cells.submit(read_image, assets, name, part) for part, name in names.items() if name}
        return {part: image.result() for part, image in read.items()}


def begin_to_read(assets: Path, names: Mapping[str, str | None]) -> None:
    """Begin to decode what `read_images` of the same will be asked for, and leave what is wrong with it to that."""

    def read() -> None:
        with suppress(Exception):
            read_images(assets, names)

    threading.Thread(target=read, daemon=True).start()


def read_image(assets: Path, name: str, part: str) -> CheckedImage:
    """Return the picture of the image `name` of the `assets` folder; `part` ("logo", "stamp") says what it is for.

    Raises UserError naming the file, its place and what to do when it lies outside the folder (by `..`,
    an absolute name or a link), is not there, is larger than 2 MiB or 25 million pixels, is not a readable
    PNG, JPEG or SVG, or takes more time or memory than an image may.
    """
    folder = assets.resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise UserError(f"The {part} {name} lies outside the assets folder {folder}. Copy the file into that folder.")
    if not path.is_file():
        raise UserError(
            f"The {part} {name} is not in the assets folder {folder}. Put it there, or leave the {part} out."
        )
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"The {part} {path} cannot be read: {error.strerror}. Ask for the right to read it.") from error
    return check_image(content, name, f"{part} {path}")


def check_image(content: bytes, name: str, what: str) -> CheckedImage:
    """Return the picture of an image; `what` names it in errors. Errors as `read_image`."""
    if len(content) > MAX_BYTES:
        raise UserError(f"The {what} is larger than 2 MiB. Save it smaller.")
    try:
        with _turn(content):
            found, picture = _decoded(content)
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"The {what} was not decoded within {WALL_SECONDS} seconds. Save it smaller, or try again when the machine "
            "is less busy."
        ) from error
    if fault := found.get("fault"):
        raise UserError(f"The {what} {fault}")
    return CheckedImage(
        name,
        found["mime_type"],
        picture,
        hashlib.sha256(content).hexdigest(),
        tuple(found["left_out"]),
        tuple(found["messages"]),
        found["dots"],
    )


@functools.lru_cache(maxsize=16)
def _turn(content: bytes) -> threading.Lock:
    """Return what lets one at a time decode an image: who asks meanwhile waits for the answer."""
    del content
    return threading.Lock()


# A night makes the documents of many sessions with the same images.
@functools.lru_cache(maxsize=16)
def _decoded(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return what the image's cell found, and the picture; what is in there for a second time is not decoded again."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with CELLS, tempfile.TemporaryDirectory(prefix="opco-image-") as folder:
        # What is raised is not kept as an answer: perhaps it was the machine.
        ended = subprocess.run(
            [sys.executable, "-I", "-B", "-m", CELL, str(CPU_SECONDS), str(MEMORY_BYTES)],
            input=content,
            capture_output=True,
            timeout=WALL_SECONDS,
            check=False,
            cwd=folder,
            env={**kept, "TMPDIR": folder, "HOME": folder},
        )
    if ended.returncode:
        return {"fault": f"{TOO_MUCH} Save it as a plain PNG, or smaller."}, b""
    found, _, picture = ended.stdout.partition(b"\n")
    return json.loads(found), picture
