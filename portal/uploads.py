"""Images that people send: their pictures are kept among the assets, under a name made of what was sent."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from reports.printing.images import MAX_BYTES, check_image
from warehouse.files import written_atomically

FOLDER = "uploads"
SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}
UPLOADED = re.compile(rf"{FOLDER}/[0-9a-f]{{32}}\.({'|'.join(SUFFIXES.values())})")


def keep_image(assets: Path, content: BinaryIO, part: str, before_decoding: Callable[[], None]) -> str:
    """Keep the picture of an image that was sent as `part` ("logo", "stamp"); return its name in the assets folder.

    The name that its sender gave it plays no part. `before_decoding` is called for one that is not there yet, and may
    raise to keep it out. Raises UserError when it is no image that the attestations can use, OSError when the disk
    takes no more.
    """
    data = content.read(MAX_BYTES + 1)
    stem = f"{FOLDER}/{hashlib.sha256(data).hexdigest()[:32]}"
    for suffix in SUFFIXES.values():
        if (assets / f"{stem}.{suffix}").exists():
            return f"{stem}.{suffix}"
    before_decoding()
    image = check_image(data, stem, part)
    name = f"{stem}.{SUFFIXES[image.mime_type]}"
    with written_atomically(assets / name) as temporary:
        temporary.write_bytes(image.content)
    return name
