"""Images that people send: checked as the assets are, and kept among them under a name made of their content."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from reports.attestation.images import MAX_BYTES, read_image
from warehouse.files import written_atomically

FOLDER = "uploads"
UPLOADED = re.compile(rf"{FOLDER}/[0-9a-f]{{32}}\.(png|jpg|svg)")
SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}


def keep_image(assets: Path, content: BinaryIO, part: str, before_keeping: Callable[[], None]) -> str:
    """Keep an image that was sent as `part` ("logo", "stamp"), and return its name in the assets folder.

    The name that its sender gave it plays no part. `before_keeping` is called before one that is not there yet is
    kept, and may raise to keep it out. Raises UserError when it is no image that the attestations can
    use, OSError when the disk takes no more.
    """
    data = content.read(MAX_BYTES + 1)
    folder = assets / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    tried = f".{secrets.token_hex(8)}.tmp"
    try:
        (folder / tried).write_bytes(data)
        kind = read_image(assets, Path(FOLDER) / tried, part).mime_type
    finally:
        (folder / tried).unlink(missing_ok=True)
    name = f"{FOLDER}/{hashlib.sha256(data).hexdigest()[:32]}.{SUFFIXES[kind]}"
    if not (assets / name).exists():
        before_keeping()
        with written_atomically(assets / name) as temporary:
            temporary.write_bytes(data)
    return name
