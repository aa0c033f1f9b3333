"""WeasyPrint as these documents use it: own fonts, own files only, no network, and no work done twice.

Beside its public interface this module alone relies on inner parts of the one release that is pinned; decision 30 tells
which, and why.
"""

from __future__ import annotations

import io
import logging
import os
import re
import unicodedata
import warnings
import zlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cssselect2  # type: ignore[import-untyped]
import pydyf  # type: ignore[import-untyped]
import pymupdf_fonts  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from reports.attestation.model import CheckedImage

with warnings.catch_warnings():
    # On a machine without fonts WeasyPrint warns at import; these documents bring theirs.
    warnings.simplefilter("ignore")
    from weasyprint import CSS, HTML, Attachment  # type: ignore[import-untyped]
    from weasyprint.images import RasterImage, SVGImage  # type: ignore[import-untyped]
    from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]
    from weasyprint.urls import URLFetcher, URLFetcherResponse  # type: ignore[import-untyped]

FONTS = {"regular": "figo", "bold": "figbo", "mono": "fimo", "mono-bold": "fimbo"}
SCHEME = "attestation:"
# Level 9, WeasyPrint's own, takes three times as long for a hundredth less.
COMPRESSION_LEVEL = 6


class OwnFilesFetcher(URLFetcher):  # type: ignore[misc]
    """Serves the fonts of the package and the checked images; refuses every other address."""

    def __init__(self, images: dict[str, CheckedImage]) -> None:
        super().__init__()
        self._images = images

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:  # noqa: ARG002
        """Return one of our own files; raise ValueError for anything else."""
        kind, _, name = url.removeprefix(SCHEME).partition("/")
        if url.startswith(SCHEME) and kind == "font" and name in FONTS:
            return URLFetcherResponse(url, _font(name), {"Content-Type": "font/ttf"})
        if url.startswith(SCHEME) and kind == "image" and name in self._images:
            image = self._images[name]
            return URLFetcherResponse(url, image.content, {"Content-Type": image.mime_type})
        raise ValueError(f"refused: {url[:200]}")


class Messages(logging.Handler):
    """Keeps what WeasyPrint logs at warning level and above while it is at work."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message, once."""
        text = record.getMessage()
        if text not in self.texts:
            self.texts.append(text)

    def __enter__(self) -> Messages:
        logging.getLogger("weasyprint").addHandler(self)
        return self

    def __exit__(self, *_exception: object) -> None:
        logging.getLogger("weasyprint").removeHandler(self)


class Engine:
    """Makes PDF/A-3a from pages written as XML; fonts, stylesheets and images are read once."""

    def __init__(self, images: dict[str, CheckedImage], stylesheets: Sequence[str]) -> None:
        self.fetcher = OwnFilesFetcher(images)
        self.fonts = _own_fonts()
        self._stylesheets = [CSS(string=text, font_config=self.fonts, url_fetcher=self.fetcher) for text in stylesheets]
        self._basis = CSS(string=_browser_style(), font_config=self.fonts)
        # WeasyPrint looks here before it loads an image.
        self._images: dict[str, Any] = {}

    def pdf(self, page: str, attachment: Attachment | None = None) -> tuple[bytes, int]:
        """Return the PDF of a well-formed XML page and how many pages it has."""
        options = {"pdf_variant": "pdf/a-3a", "attachments": [attachment] if attachment else None}
        document = _Page(page, self.fetcher, self._basis).render(
            font_config=self.fonts, stylesheets=self._stylesheets, cache=self._images, **options
        )
        for url, image in self._images.items():
            if isinstance(image, RasterImage):
                self._images[url] = _EncodedOnce(image)
            elif isinstance(image, SVGImage):
                self._images[url] = _DrawnOnce(image)
        stream = io.BytesIO()
        document.write_pdf(stream, finisher=_finish, **options)
        return stream.getvalue(), len(document.pages)

    def attachment(self, content: bytes, **described: Any) -> Attachment:
        """Return a file to attach; `described` is passed on to WeasyPrint."""
        return Attachment(file_obj=io.BytesIO(content), url_fetcher=self.fetcher, **described)


class _Page(HTML):  # type: ignore[misc]
    """A page read by the XML parser of C, a quarter of the HTML parser's time; HTML's own reading is left out."""

    def __init__(self, text: str, fetcher: URLFetcher, basis: CSS) -> None:
        self.base_url = None
        self.url_fetcher = fetcher
        self.media_type = "print"
        # Our own template, user text escaped in it: there is no document type in which entities could stand.
        root = ElementTree.fromstring(text)  # noqa: S314
        self.wrapper_element = cssselect2.ElementWrapper.from_html_root(root, content_language=None)
        self.etree_element = self.wrapper_element.etree_element
        self._basis = basis

    def _ua_stylesheets(self, forms: bool = False) -> list[CSS]:  # noqa: ARG002
        return [self._basis]


class _EncodedOnce:
    """A bitmap whose pixels are encoded for the first document and used again in all others."""

    def __init__(self, image: RasterImage) -> None:
        self._image = image
        self._encoded: dict[tuple[bool, float], Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._image, name)

    def draw(self, *arguments: Any) -> None:
        """Draw, and stand for the bitmap in the document that asks for its pixels later."""
        # What draws is the class's function, so that the stream registers this object, not the bitmap within.
        RasterImage.draw(self, *arguments)

    def get_x_object(self, interpolate: bool, ratio: float) -> Any:
        """Return the image's object for one document; WeasyPrint numbers and changes what it gets."""
        key = (interpolate, ratio)
        if key not in self._encoded:
            self._encoded[key] = self._image.get_x_object(interpolate, ratio)
        return _copied(self._encoded[key])


class _DrawnOnce:
    """A vector image whose drawing is kept, as long as it needs nothing but paths and plain colours."""

    def __init__(self, image: SVGImage) -> None:
        self._image = image
        self._drawings: dict[tuple[float, float], list[Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._image, name)

    def draw(self, stream: Any, width: float, height: float, style: Any) -> None:
        """Draw the image, or repeat what drew it before."""
        if (drawing := self._drawings.get((width, height))) is not None:
            stream.stream.extend(drawing)
            return
        start, resources_before = len(stream.stream), _resources_of(stream)
        with Messages() as messages:
            self._image.draw(stream, width, height, style)
        if _resources_of(stream) == resources_before and not messages.texts:
            self._drawings[width, height] = stream.stream[start:]


class _Serialised(pydyf.Object):  # type: ignore[misc]
    """An object of a PDF in its final bytes: pydyf asks for them twice, to write and to make the file's identifier."""

    def __init__(self, source: Any) -> None:
        self.number, self.generation, self.free = source.number, source.generation, source.free
        self.offset = source.offset
        self._bytes: bytes = source.data
        self._is_compressible = source.compressible

    @property
    def data(self) -> bytes:
        """The object's bytes."""
        return self._bytes

    @property
    def compressible(self) -> bool:
        """Whether the object may stand in an object stream."""
        return bool(self._is_compressible)


def one_width_characters() -> frozenset[int]:
    """Return the code points that the monospaced font sets in one column, alone."""
    with TTFont(io.BytesIO(_font("mono")), lazy=True) as font:
        return frozenset(point for point in font.getBestCmap() if not unicodedata.combining(chr(point)))


def css_string(text: str) -> str:
    """Return user text as a CSS string, quotes included."""
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\{ord(c):x} " for c in text) + '"'


def _copied(stream: Any) -> Any:
    extra = pydyf.Dictionary(stream.extra)
    if "SMask" in extra:
        extra["SMask"] = _copied(extra["SMask"])
    return pydyf.Stream(stream.stream, extra, stream.compress)


def _resources_of(stream: Any) -> list[int]:
    """Return how many fonts, images, patterns, shadings and states a page's stream has asked for."""
    return [len(stream._fonts), len(stream._images), *(len(one) for one in stream._resources.values() if one)]


def _finish(_document: Any, pdf: Any) -> None:
    # WeasyPrint lists each attachment twice.
    pdf.catalog["AF"] = pydyf.Array(dict.fromkeys(pdf.catalog.get("AF", ())))
    for item in pdf.objects:
        if isinstance(item, pydyf.Stream) and item.compress:
            content = b"\n".join(part if isinstance(part, bytes) else pydyf._to_bytes(part) for part in item.stream)
            item.stream, item.compress = [zlib.compress(content, COMPRESSION_LEVEL)], False
            item.extra["Filter"] = "/FlateDecode"
    pdf.objects[:] = [item if item.free == "f" else _Serialised(item) for item in pdf.objects]


def _browser_style() -> str:
    """Return WeasyPrint's default style without its pseudo-elements for notes and markers, which all elements match."""
    text = resources.files("weasyprint").joinpath("css", "html5_ua.css").read_text(encoding="utf-8")
    return re.sub(r"::(?:(?:footnote|note)-[a-z]+|marker) \{[^}]*\}|@(?:footnote|note-area)\s*\{[^}]*\}", "", text)


def _own_fonts() -> FontConfiguration:
    """Return a font configuration that knows no font of this machine."""
    previous = os.environ.get("FONTCONFIG_FILE")
    os.environ["FONTCONFIG_FILE"] = str(Path(__file__).parent / "assets" / "fonts.conf")
    try:
        return FontConfiguration()
    finally:
        if previous is None:
            del os.environ["FONTCONFIG_FILE"]
        else:
            os.environ["FONTCONFIG_FILE"] = previous


def _font(name: str) -> bytes:
    content: bytes = pymupdf_fonts.fontbuffers[FONTS[name]]()
    return content
