"""Images an organisation puts on its documents: read from its assets folder only, kind checked by content."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from pathlib import Path

from PIL import Image, ImageFile

from reports.attestation.model import CheckedImage
from reports.attestation.svg import clean_svg
from warehouse.errors import UserError

MAX_BYTES = 2 * 1024 * 1024
MAX_PIXELS = 25_000_000


def read_image(assets: Path, name: Path, part: str) -> CheckedImage:
    """Read the image `name` of the `assets` folder; `part` ("logo", "stamp") says what it is for. SVG comes cleaned.

    Raises UserError naming the file, its place and what to do when it lies outside the folder (by `..`,
    an absolute name or a link), is not there, is larger than 2 MiB or 25 million pixels, or is not a
    readable PNG, JPEG or SVG.
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
    if len(content) > MAX_BYTES:
        raise UserError(f"The {part} {path} is larger than 2 MiB. Save it smaller.")
    sha256 = hashlib.sha256(content).hexdigest()
    left_out: tuple[str, ...] = ()
    if content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        mime_type, fault = _bitmap_kind(content)
    elif re.match(rb"(\xef\xbb\xbf)?\s*<", content):
        mime_type = "image/svg+xml"
        content, fault, left_out = clean_svg(content)
    else:
        mime_type, fault = "", "is no PNG, JPEG or SVG image. Save it as one of these."
    if fault:
        raise UserError(f"The {part} {path} {fault}")
    return CheckedImage(str(name), mime_type, content, sha256, left_out)


def _bitmap_kind(content: bytes) -> tuple[str, str]:
    tolerance = ImageFile.LOAD_TRUNCATED_IMAGES
    # WeasyPrint tells Pillow at import to fill up what is missing of an image; here that is a fault.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        # Pillow warns of large images; the limit below refuses them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
                if image.width * image.height > MAX_PIXELS:
                    return "", f"has {image.width} × {image.height} pixels, more than 25 million. Save it smaller."
                image.load()
                return str(Image.MIME[image.format or ""]), ""
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return "", f"is a damaged image ({error}). Save it again as PNG, JPEG or SVG."
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerance
