"""Images an organisation puts on its documents: read from its assets folder only, kind checked by content."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image, ImageFile

from reports.attestation.model import CheckedImage
from warehouse.errors import UserError

MAX_BYTES = 2 * 1024 * 1024
MAX_PIXELS = 25_000_000
SVG_ROOT = "{http://www.w3.org/2000/svg}svg"


def read_image(assets: Path, name: Path, part: str) -> CheckedImage:
    """Read the image `name` of the `assets` folder; `part` ("logo", "stamp") says what it is for.

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
    mime_type, fault = _kind_of(content)
    if fault:
        raise UserError(f"The {part} {path} {fault}")
    return CheckedImage(str(name), mime_type, content, hashlib.sha256(content).hexdigest())


def _kind_of(content: bytes) -> tuple[str, str]:
    """Return the MIME type that the content proves, or a fault with what to do about it."""
    if content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return _bitmap_kind(content)
    if re.match(rb"(\xef\xbb\xbf)?\s*<", content):
        return "image/svg+xml", _svg_fault(content)
    return "", "is no PNG, JPEG or SVG image. Save it as one of these."


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


def _svg_fault(content: bytes) -> str:
    if b"<!ENTITY" in content.replace(b"\0", b""):
        return "declares XML entities. Save it again as plain SVG, without a document type."
    try:
        # Entities are refused above, and expat limits what is left.
        root = ElementTree.fromstring(content)  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        return f"is no readable SVG ({error}). Save it again as PNG, JPEG or SVG."
    return "" if root.tag == SVG_ROOT else "is no PNG, JPEG or SVG image. Save it as one of these."
