"""WeasyPrint as these documents use it: own fonts, own files only, no network, and no work done twice.

Beside its public interface this module and `kept` alone rely on inner parts of the one release that is pinned;
decisions 30 and 184 say which, and why.
"""

from __future__ import annotations

import io
import logging
import os
import re
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import cssselect2  # type: ignore[import-untyped]
import pydyf  # type: ignore[import-untyped]

from reports.printing import fonts
from reports.printing.images import CheckedImage

with warnings.catch_warnings():
    # On a machine without fonts WeasyPrint warns at import; these documents bring theirs.
    warnings.simplefilter("ignore")
    from weasyprint import CSS, HTML, Attachment  # type: ignore[import-untyped]
    from weasyprint.formatting_structure.boxes import ReplacedBox  # type: ignore[import-untyped]
    from weasyprint.images import RasterImage, SVGImage  # type: ignore[import-untyped]
    from weasyprint.urls import URLFetcher, URLFetcherResponse  # type: ignore[import-untyped]

    from reports.printing.kept import KeptFonts

SCHEME = "opco:"
# What becomes an item of a list in the structure of a PDF.
ITEM = re.compile("<(?:li|dt|dd)[ >]")
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
        if url.startswith(SCHEME) and kind == "font" and name in fonts.OWN:
            return URLFetcherResponse(url, fonts.own_font(name), {"Content-Type": "font/ttf"})
        if url.startswith(SCHEME) and kind == "other-font" and (family := unquote(name)) in fonts.OTHERS:
            return URLFetcherResponse(url, fonts.other_font(family), {"Content-Type": "font/ttf"})
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


@dataclass(frozen=True)
class Drawing:
    """A PDF of one page with a vector image on it, its width and height there in CSS pixels.

    `plain` is what draws it where that takes nothing but paths and plain colours.
    """

    pdf: bytes
    width: float
    height: float
    plain: bytes | None


class Engine:
    """Makes PDF/A-3a from pages written as XML; fonts, stylesheets and images are read once."""

    def __init__(self, images: dict[str, CheckedImage], stylesheets: Sequence[str]) -> None:
        self.fetcher = OwnFilesFetcher(images)
        self.fonts = _own_fonts()
        self._stylesheets = [self._parsed(text) for text in stylesheets]
        self._own_styles: dict[str, CSS] = {}
        self._basis = CSS(string=_browser_style(), font_config=self.fonts)
        # WeasyPrint looks here before it loads an image.
        self._images: dict[str, Any] = {}

    def pdf(
        self, page: str, attachment: Attachment | None = None, style: str = "", spoken: Sequence[str] = ()
    ) -> tuple[bytes, int]:
        """Return the PDF of a well-formed XML page and how many pages it has.

        `style` is CSS of a few documents; `spoken` is what the last items of lists are read aloud as, nothing meaning
        their own text.
        """
        if style not in self._own_styles:
            self._own_styles[style] = self._parsed(style)
        options = {"pdf_variant": "pdf/a-3a", "attachments": [attachment] if attachment else None}
        document = _Page(page, self.fetcher, self._basis).render(
            font_config=self.fonts,
            stylesheets=[*self._stylesheets, self._own_styles[style]],
            cache=self._images,
            **options,
        )
        for url, image in self._images.items():
            if isinstance(image, RasterImage):
                self._images[url] = _EncodedOnce(image)
            elif isinstance(image, SVGImage):
                self._images[url] = _DrawnOnce(image)
        stream = io.BytesIO()
        document.write_pdf(stream, finisher=partial(_finish, spoken, len(ITEM.findall(page))), **options)
        return stream.getvalue(), len(document.pages)

    def with_families(self, families: Sequence[str], one_width: str) -> str:
        """Return the style of a document that needs `families` beside FiraGO and Fira Mono, having loaded them.

        `one_width` selects what is set in Fira Mono.
        """
        for family in families:
            face = f'@font-face {{ font-family: "{family}"; src: url("{SCHEME}other-font/{quote(family)}") }}'
            if face not in self._own_styles:
                self._own_styles[face] = self._parsed(face)
        others = "".join(f', "{family}"' for family in families)
        return (
            f'html {{ font-family: "FiraGO", "Fira Mono"{others} }} '
            f'{one_width} {{ font-family: "Fira Mono", "FiraGO"{others} }} '
            if families
            else ""
        )

    def _parsed(self, text: str) -> CSS:
        return CSS(string=text, font_config=self.fonts, url_fetcher=self.fetcher)

    def drawing(self, name: str) -> Drawing | None:
        """Return the vector image `name` drawn alone, as large as the page lets it be; None where it cannot be."""
        page = f"<html lang='en'><body><img src='{SCHEME}image/{name}' alt=''/></body></html>"
        document = _Page(page, self.fetcher, self._basis).render(font_config=self.fonts, stylesheets=self._stylesheets)
        boxes = document.pages[0]._page_box.descendants()
        for box in (one for one in boxes if isinstance(one, ReplacedBox)):
            box.replacement = alone = _DrawnAlone(box.replacement)
            pdf = document.write_pdf()
            return Drawing(pdf, box.width, box.height, alone.plain)
        return None

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
    """A vector image whose drawing is kept, as long as it needs nothing but paths, plain colours and their opacity."""

    def __init__(self, image: SVGImage) -> None:
        self._image = image
        self._drawings: dict[tuple[Any, ...], tuple[bytes, dict[str, Any]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._image, name)

    def draw(self, stream: Any, width: float, height: float, style: Any) -> None:
        """Draw the image, or repeat what drew it before."""
        # What is set already is not set again, so the drawing depends on it.
        key = (
            width,
            height,
            stream._current_color,
            stream._current_color_stroke,
            stream._current_alpha,
            stream._current_alpha_stroke,
        )
        if key in self._drawings:
            drawing, states = self._drawings[key]
            stream.stream.append(drawing)
            for name, state in states.items():
                stream._resources["ExtGState"].setdefault(name, pydyf.Dictionary(state))
            return
        start, resources_before = len(stream.stream), _resources_of(stream)
        with Messages() as messages:
            self._image.draw(stream, width, height, style)
        drawn = stream.stream[start:]
        names = dict.fromkeys(one[1:-3].decode() for one in drawn if isinstance(one, bytes) and one.endswith(b" gs"))
        # A state that is not named after its opacity is a mask's.
        is_plain = all(name[0] in "aA" for name in names)
        if is_plain and _resources_of(stream) == resources_before and not messages.texts:
            self._drawings[key] = _joined(drawn), {name: stream._resources["ExtGState"][name] for name in names}


class _DrawnAlone:
    """A vector image, and what drew it where nothing but paths, plain colours and their opacity did."""

    def __init__(self, image: SVGImage) -> None:
        self._image = image
        self.plain: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._image, name)

    def draw(self, stream: Any, width: float, height: float, style: Any) -> None:
        """Draw the image on a page on which there is nothing else."""
        start = len(stream.stream)
        self._image.draw(stream, width, height, style)
        asked = stream._resources
        others = (stream._fonts, stream._images, asked["XObject"], asked["Pattern"], asked["Shading"])
        # A state that is not named after its opacity is a mask's.
        if not any(others) and all(name[0] in "aA" for name in asked["ExtGState"]):
            self.plain = _joined(stream.stream[start:])


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


def css_string(text: str) -> str:
    """Return user text as a CSS string, quotes included."""
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\{ord(c):x} " for c in text) + '"'


def _copied(stream: Any) -> Any:
    extra = pydyf.Dictionary(stream.extra)
    if "SMask" in extra:
        extra["SMask"] = _copied(extra["SMask"])
    return pydyf.Stream(stream.stream, extra, stream.compress)


def _joined(operators: Sequence[Any]) -> bytes:
    """Return the bytes of a stream of a PDF."""
    return b"\n".join(one if isinstance(one, bytes) else pydyf._to_bytes(one) for one in operators)


def _resources_of(stream: Any) -> list[int]:
    """Return how many fonts, images, patterns and shadings a page's stream has asked for."""
    asked = stream._resources
    kinds = ("XObject", "Pattern", "Shading", "ColorSpace")
    return [len(stream._fonts), len(stream._images), *(len(asked.get(kind) or ()) for kind in kinds)]


def _compress(stream: Any) -> None:
    """Compress a stream of a PDF here and now."""
    stream.stream, stream.compress = [zlib.compress(_joined(stream.stream), COMPRESSION_LEVEL)], False
    stream.extra["Filter"] = "/FlateDecode"


def _add_compressed(pdf: Any, item: Any) -> None:
    """Add an object that pydyf makes while it writes; two are streams: the objects of the file, and their places."""
    if isinstance(item, pydyf.Stream) and item.compress:
        _compress(item)
    pydyf.PDF.add_object(pdf, item)


def _finish(spoken: Sequence[str], item_count: int, _document: Any, pdf: Any) -> None:
    items = [item for item in pdf.objects if isinstance(item, pydyf.Dictionary) and item.get("S") == "/LI"]
    # An item that breaks over two pages is two of them, and none would be distinguished from its neighbour.
    if spoken and len(items) == item_count:
        for item, text in zip(items[-len(spoken) :], spoken, strict=True):
            if text:
                item["Alt"] = pydyf.String(text)
    # WeasyPrint lists each attachment twice.
    pdf.catalog["AF"] = pydyf.Array(dict.fromkeys(pdf.catalog.get("AF", ())))
    for item in pdf.objects:
        if isinstance(item, pydyf.Stream) and item.compress:
            _compress(item)
    pdf.objects[:] = [item if item.free == "f" else _Serialised(item) for item in pdf.objects]
    pdf.add_object = partial(_add_compressed, pdf)


def _browser_style() -> str:
    """Return WeasyPrint's default style without its pseudo-elements for notes and markers, which all elements match."""
    text = resources.files("weasyprint").joinpath("css", "html5_ua.css").read_text(encoding="utf-8")
    return re.sub(r"::(?:(?:footnote|note)-[a-z]+|marker) \{[^}]*\}|@(?:footnote|note-area)\s*\{[^}]*\}", "", text)


def _own_fonts() -> KeptFonts:
    """Return a font configuration that knows no font of this machine."""
    previous = os.environ.get("FONTCONFIG_FILE")
    os.environ["FONTCONFIG_FILE"] = str(Path(__file__).parent / "assets" / "fonts.conf")
    try:
        return KeptFonts()
    finally:
        if previous is None:
            del os.environ["FONTCONFIG_FILE"]
        else:
            os.environ["FONTCONFIG_FILE"] = previous
