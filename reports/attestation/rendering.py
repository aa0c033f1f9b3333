"""From a learner's record to the bytes of a PDF: Jinja2 (autoescaped) and WeasyPrint, own fonts, no network."""

from __future__ import annotations

import io
import logging
import math
import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

import jinja2
import pymupdf_fonts  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from reports.attestation.attachment import log_csv
from reports.attestation.log_lines import LINE_CHARACTERS, print_log
from reports.attestation.model import (
    AttestationInputs,
    Build,
    CheckedImage,
    CodeText,
    LearnerRecord,
    Session,
)
from reports.attestation.naming import display_name, document_number
from reports.attestation.wording import DASH, duration, load_wording, short_date
from warehouse.errors import UserError

with warnings.catch_warnings():
    # On a machine without fonts WeasyPrint warns at import; these documents bring theirs.
    warnings.simplefilter("ignore")
    from weasyprint import CSS, HTML, Attachment  # type: ignore[import-untyped]
    from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]
    from weasyprint.urls import URLFetcher, URLFetcherResponse  # type: ignore[import-untyped]

HERE = Path(__file__).parent
FONTS = {"regular": "figo", "bold": "figbo", "mono": "fimo", "mono-bold": "fimbo"}
SCHEME = "attestation:"
FOOTER_LINE_CHARACTERS = 135
MAX_FOOTER_LINES = 6


@dataclass(frozen=True)
class RenderedDocument:
    """A finished PDF and what was noticed while it was made."""

    number: str
    content: bytes
    pages: int
    warnings: tuple[str, ...]


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


class _Messages(logging.Handler):
    """Keeps what WeasyPrint logs at warning level and above while it is at work."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message, once."""
        text = record.getMessage()
        if text not in self.texts:
            self.texts.append(text)

    def __enter__(self) -> _Messages:
        logging.getLogger("weasyprint").addHandler(self)
        return self

    def __exit__(self, *_exception: object) -> None:
        logging.getLogger("weasyprint").removeHandler(self)


class Renderer:
    """Renders the documents of one issue of a session; fonts, stylesheet and images are read once."""

    def __init__(
        self,
        inputs: AttestationInputs,
        images: dict[str, CheckedImage],
        session: Session,
        build: Build,
        inexplicit_ends: Sequence[CodeText],
        evidence_levels: Sequence[CodeText],
        issue_number: int,
        issued_on: date,
    ) -> None:
        """Prepare an issue; `images` holds the checked images by part ("logo", "stamp").

        Raises UserError when an image cannot be drawn, or the footer has no room on the page.
        """
        self._inputs = inputs
        self._session = session
        self._build = build
        self._inexplicit_ends = inexplicit_ends
        self._evidence_levels = evidence_levels
        self._issue_number = issue_number
        self._issued_on = issued_on
        self._wording = load_wording(inputs.language)
        self._fetcher = OwnFilesFetcher(images)
        self._fonts = _own_fonts()
        style = (HERE / "templates" / "attestation.css").read_text(encoding="utf-8")
        self._stylesheet = CSS(string=style, font_config=self._fonts, url_fetcher=self._fetcher)
        self._one_width_characters = _one_width_characters()
        self._image_messages = self._messages_of(images)
        self.warnings = tuple(f"logo or stamp: {message}" for message in self._image_messages)
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals |= {
            "dash": DASH,
            "duration": duration,
            "short_date": short_date,
            "words": self._wording,
            "t": self._wording.text,
            "inputs": inputs,
            "images": images,
            "session": session,
            "build": build,
            "issued_on": issued_on,
            "footer_lines": _footer_lines(inputs.footer),
            "line_characters": LINE_CHARACTERS,
            "data_as_of_time": f"{build.data_as_of_local:%H:%M}",
        }
        self._template = environment.get_template("attestation.html")

    def render(self, learner: LearnerRecord) -> RenderedDocument:
        """Return the PDF of one learner who played the session; raise nothing that the data can cause."""
        number = document_number(self._session.session_id, learner.user_id, self._issue_number)
        levels = Counter(line.evidence_level for line in learner.log)
        name = display_name(learner.user_id, learner.last_name, learner.first_name)
        html = self._template.render(
            learner=learner,
            name=name,
            number=number,
            log=print_log(learner.log, self._wording, self._build, self._inexplicit_ends, self._one_width_characters),
            sources=[(level, levels[level.code]) for level in self._evidence_levels if levels[level.code]],
        )
        made_at = datetime.combine(self._issued_on, time(), UTC)
        attachment = Attachment(
            string=log_csv(learner.log),
            name=self._wording.text("attachment"),
            description=self._wording.text("attachment_description"),
            created=made_at,
            modified=made_at,
            relationship="Data",
            url_fetcher=self._fetcher,
        )
        options = {"pdf_variant": "pdf/a-3a", "attachments": [attachment]}
        stream = io.BytesIO()
        with _Messages() as messages:
            document = HTML(string=html, url_fetcher=self._fetcher).render(
                font_config=self._fonts, stylesheets=[self._stylesheet], **options
            )
            document.write_pdf(stream, **options)
        return RenderedDocument(
            number=number,
            content=stream.getvalue(),
            pages=len(document.pages),
            warnings=tuple(f"{name}: {text}" for text in messages.texts if text not in self._image_messages),
        )

    def _messages_of(self, images: dict[str, CheckedImage]) -> list[str]:
        """Draw each image alone: WeasyPrint would leave one out without a word to the user."""
        noticed: list[str] = []
        for part, image in images.items():
            url = f"{SCHEME}image/{part}"
            with _Messages() as messages:
                page = HTML(string=f"<img src='{url}' alt=''>", url_fetcher=self._fetcher)
                page.write_pdf(font_config=self._fonts)
            if any(url in text for text in messages.texts):
                raise UserError(
                    f"The {part} {image.name} cannot be drawn. Save it as PNG, or as plain SVG without imported styles."
                )
            noticed.extend(messages.texts)
        return noticed


def _own_fonts() -> FontConfiguration:
    """Return a font configuration that knows no font of this machine."""
    previous = os.environ.get("FONTCONFIG_FILE")
    os.environ["FONTCONFIG_FILE"] = str(HERE / "assets" / "fonts.conf")
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


def _one_width_characters() -> frozenset[int]:
    """Return the code points that the monospaced font sets in one column, alone."""
    with TTFont(io.BytesIO(_font("mono")), lazy=True) as font:
        return frozenset(point for point in font.getBestCmap() if not unicodedata.combining(chr(point)))


def _footer_lines(footer: str | None) -> int:
    """Return how many lines the footer takes at most; raise UserError when the page has no room for it."""
    lines = sum(max(1, math.ceil(len(line) / FOOTER_LINE_CHARACTERS)) for line in (footer or "").splitlines())
    if lines > MAX_FOOTER_LINES:
        raise UserError(f"The footer takes {lines} lines, and a page has room for {MAX_FOOTER_LINES}. Shorten it.")
    return lines
