"""The program that decodes one image: a process of its own, with limits, that is given no secret and no file.

It reads the image from its standard input and writes a line of JSON (what the image is now, or its fault) and the
image: plain pixels as PNG or JPEG, at most as many as are printed, or a drawing that is cleaned and simple. What is no
part of the picture does not come along: comments, metadata, whatever else the file was.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
import os
import re
import resource
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image, ImageCms, ImageFile, ImageMath, ImageOps

from reports.printing.svg import clean_svg

MAX_PIXELS = 25_000_000
MAX_SCANS = 100
"""Passes over the picture of a progressive JPEG; programs write a dozen."""
SVG = "image/svg+xml"
MAX_PLAIN_DRAWING = 65_536
"""Bytes of lines and plain colours up to which a drawing stays one."""
DRAWN_DPI, MOST_DPI = 300, 600
"""Dots an inch of what other drawings become, and of what a bitmap keeps."""
PRINTED_MM = (80, 20)
"""The largest place for an image on a page."""
PRINTED_PIXELS = (round(PRINTED_MM[0] / 25.4 * MOST_DPI), round(PRINTED_MM[1] / 25.4 * MOST_DPI))
QUALITY = 90
PNG_START, JPEG_START = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
PNG_DEPTH = 24
"""Where a PNG says how many bits a channel has."""
FEW_BITS = {2: 85, 4: 17}
"""What Pillow multiplies the levels of a PNG of few bits with."""
DATA_ADDRESS = re.compile(r"data:image/(?:png|jpe?g);base64,", re.IGNORECASE)
STYLE = """
@font-face { font-family: "FiraGO"; src: url(opco:font/regular) }
@font-face { font-family: "FiraGO"; font-weight: bold; src: url(opco:font/bold) }
html { font-family: "FiraGO" }
body { margin: 0 }
"""
PLACE = "@page {{ size: {0}mm {1}mm; margin: 0 }} img {{ display: block; max-width: {0}mm; max-height: {1}mm }}"


class UnusableError(Exception):
    """What is wrong with an image, and what to do about it: the end of a sentence that begins with its name."""


@dataclass(frozen=True)
class Plain:
    """An image as documents take it; `dots` are its pixels a CSS pixel."""

    mime_type: str
    content: bytes
    dots: float = 1.0
    left_out: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()


def main() -> None:
    """Answer for the image on the standard input; the limits are the arguments: seconds of processor time, bytes."""
    limit_process(int(sys.argv[1]), int(sys.argv[2]))
    # What a library prints is no part of the answer.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    content, found = b"", dict[str, Any]()
    try:
        plain = plain_image(sys.stdin.buffer.read())
        content = plain.content
        found = {name: value for name, value in vars(plain).items() if name != "content"}
    except UnusableError as error:
        found = {"fault": str(error)}
    except Exception as error:
        found = {"fault": f"cannot be drawn ({type(error).__name__}: {str(error)[:200]}). Save it as a plain PNG."}
    with answer:
        answer.write(json.dumps(found).encode() + b"\n" + content)


def limit_process(cpu_seconds: int, memory_bytes: int) -> None:
    """Take from this process, for good, processor time, memory, large files and core dumps."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**24, 2**24))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def plain_image(content: bytes) -> Plain:
    """Return what is left of the image `content`: its picture. Raises UnusableError."""
    if content.startswith((PNG_START, JPEG_START)):
        return _plain_bitmap(content)
    if re.match(rb"(\xef\xbb\xbf)?\s*<", content):
        return _drawn(content)
    raise UnusableError("is no PNG, JPEG or SVG image. Save it as one of these.")


def _plain_bitmap(content: bytes) -> Plain:
    """Return a PNG or JPEG upright, 8 bits a channel, grey or sRGB, with its transparency."""
    # WeasyPrint has Pillow, at import, fill up what is missing of an image; here that is a fault.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    is_png = content.startswith(PNG_START)
    if not is_png and content.count(b"\xff\xda") > MAX_SCANS:
        raise UnusableError(f"passes more than {MAX_SCANS} times over its picture. Save it as a plain JPEG or PNG.")
    try:
        # Pillow warns of large images; the limit below refuses them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
                if image.width * image.height > MAX_PIXELS:
                    size = f"{image.width} × {image.height}"
                    raise UnusableError(f"has {size} pixels, more than {MAX_PIXELS // 10**6} million. Save it smaller.")
                image.load()
                upright = ImageOps.exif_transpose(image)
                plain = _in_srgb(_in_eight_bits(upright, content[PNG_DEPTH] if is_png else 8), image.info)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnusableError(f"is a damaged image ({error}). Save it again as PNG, JPEG or SVG.") from error
    return _encoded(plain, "PNG" if is_png else "JPEG")


def _in_eight_bits(image: Image.Image, depth: int) -> Image.Image:
    """Return an image of the mode L, LA, RGB, RGBA or CMYK; `depth` is that of the file, bits a channel."""
    clear = image.info.get("transparency")
    if image.mode.startswith("I"):
        levels = image.convert("I")
        grey = levels.point(lambda level: level * (1 / 257) + 0.5).convert("L")
        if isinstance(clear, int):
            seen = ImageMath.lambda_eval(lambda of: (of["levels"] != clear) * 255, levels=levels).convert("L")
            return Image.merge("LA", (grey, seen))
        return grey
    if image.mode == "1":
        image = image.convert("L")
    if isinstance(clear, int) and image.mode == "L":
        image.info["transparency"] = clear * FEW_BITS.get(depth, 1)
    elif isinstance(clear, tuple) and depth == 16:
        image.info["transparency"] = tuple(level >> 8 for level in clear)
    if image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        return image.convert("RGBA")
    return image.convert("RGB") if image.mode == "P" else image


def _in_srgb(image: Image.Image, info: dict[str | tuple[int, int], Any]) -> Image.Image:
    """Return the image in the colours of screens, by its own profile where it has one that can be used."""
    profile = info.get("icc_profile")
    has_alpha = image.mode in ("LA", "RGBA")
    if profile and image.mode != "LA":
        try:
            known = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return (
                ImageCms.profileToProfile(
                    image, known, ImageCms.createProfile("sRGB"), outputMode="RGBA" if has_alpha else "RGB"
                )
                or image
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            # Viewers too go on without a profile that is damaged, or another kind of image's.
            pass
    return image.convert("RGB") if image.mode == "CMYK" else image


def _encoded(image: Image.Image, form: str) -> Plain:
    if image.mode in ("LA", "RGBA"):
        least, most = image.getchannel("A").getextrema()
        if not most:
            raise UnusableError("is transparent all over: nothing of it would be seen. Save it again with its picture.")
        if least == 255:
            image = image.convert(image.mode[:-1])
    # The natural size of what is larger plays no part: it is drawn as large as its place.
    image.thumbnail(PRINTED_PIXELS, Image.Resampling.LANCZOS)
    image.info = {}
    stream = io.BytesIO()
    image.save(stream, form, **({"quality": QUALITY, "subsampling": 0} if form == "JPEG" else {}))
    return Plain(Image.MIME[form], stream.getvalue())


def _drawn(content: bytes) -> Plain:
    """Return an SVG cleaned, where a short list of lines and plain colours draws it, or else as it is printed."""
    # These take most of the time, and bitmaps do without them.
    import pypdfium2

    from reports.printing.engine import Engine, Messages
    from reports.printing.images import CheckedImage

    inside: dict[str, Plain] = {}
    cleaned, fault, left_out = clean_svg(content, _keeper(inside))
    if fault:
        raise UnusableError(fault)
    images = {name: CheckedImage(name, one.mime_type, one.content, "") for name, one in inside.items()}
    images["drawing"] = CheckedImage("drawing", SVG, cleaned, "")
    with Messages() as noticed:
        drawing = Engine(images, (STYLE, PLACE.format(*PRINTED_MM))).drawing("drawing")
    if drawing is None or not (0 < drawing.width < math.inf and 0 < drawing.height < math.inf):
        raise UnusableError("cannot be drawn. Save it as PNG, or as plain SVG without imported styles.")
    if any(text.startswith("Failed to ") for text in noticed.texts):
        raise UnusableError("cannot be drawn to its end. Save it as PNG.")
    with pypdfium2.PdfDocument(drawing.pdf) as document:
        width, height = document[0].get_size()
        # A CSS pixel is three quarters of a point. The thinnest line is a pixel.
        across, down = (max(0.75 * one, 72 / DRAWN_DPI) for one in (drawing.width, drawing.height))
        crop = (0, max(height - down, 0), max(width - across, 0), 0)
        bitmap = document[0].render(scale=DRAWN_DPI / 72, crop=crop, fill_color=(255, 255, 255, 0)).to_pil()
    plain = replace(_encoded(bitmap, "PNG"), left_out=left_out, messages=tuple(noticed.texts))
    if drawing.plain is not None and len(drawing.plain) <= MAX_PLAIN_DRAWING:
        return replace(plain, mime_type=SVG, content=cleaned)
    return replace(plain, dots=DRAWN_DPI / 96)


def _keeper(inside: dict[str, Plain]) -> Callable[[str], str]:
    """Return what takes the bitmaps that stand in a drawing, and gives the address under which it finds them."""

    def keep(address: str) -> str:
        start = DATA_ADDRESS.match(address)
        if start is None:
            return ""
        try:
            picture = _plain_bitmap(base64.b64decode(address[start.end() :]))
        except (UnusableError, binascii.Error) as error:
            raise UnusableError(f"holds a picture that {error}") from error
        name = f"inside-{len(inside)}"
        inside[name] = picture
        return f"opco:image/{name}"

    return keep


if __name__ == "__main__":
    main()
