"""From a learner's record to the bytes of a PDF: Jinja2 (autoescaped) and WeasyPrint."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from reports.attestation.attachment import log_csv
from reports.attestation.calendar_sheets import print_calendar
from reports.attestation.columns import LINE_CHARACTERS
from reports.attestation.engine import SCHEME, Engine, Messages, css_string, one_width_characters
from reports.attestation.log_lines import print_log, print_steps
from reports.attestation.model import (
    AttestationInputs,
    Build,
    CheckedImage,
    CodeText,
    LearnerRecord,
    Replaced,
    Session,
)
from reports.attestation.naming import display_name, document_number
from reports.attestation.wording import DASH, duration, load_wording, short_date
from warehouse.errors import UserError

TEMPLATES = Path(__file__).parent / "templates"
FOOTER_LINE_CHARACTERS = 135
MAX_FOOTER_LINES = 6
FOOTER_LINE_MM = 3.4
NAME_WIDTHS = "".join(f".wide-{width} {{ width: {width * 0.6:.1f}em }}" for width in range(LINE_CHARACTERS))
# XML has no place for them, not even escaped.
NO_XML = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF), "\ufffd")


@dataclass(frozen=True)
class RenderedDocument:
    """A finished PDF and what was noticed while it was made."""

    number: str
    content: bytes
    pages: int
    warnings: tuple[str, ...]


class Renderer:
    """Renders the documents of one issue of a session; what they share is prepared once."""

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
        *,
        styles: Sequence[str] = (),
    ) -> None:
        """Prepare an issue; `images` holds the checked images by part ("logo", "stamp"), `styles` is CSS besides ours.

        Raises UserError when an image cannot be drawn, or the footer has no room on the page.
        """
        self._session = session
        self._build = build
        self._inexplicit_ends = inexplicit_ends
        self._evidence_levels = evidence_levels
        self._issue_number = issue_number
        self._issued_on = issued_on
        self._wording = load_wording(inputs.language)
        self._one_width_characters = one_width_characters()
        style = (TEMPLATES / "attestation.css").read_text(encoding="utf-8")
        self.engine = Engine(images, (style, NAME_WIDTHS, self._foot(inputs), *styles))
        self._image_messages = self._messages_of(images)
        self.warnings = (
            *(
                f"{part} {image.name}: left out of it: {', '.join(image.left_out)}"
                for part, image in images.items()
                if image.left_out
            ),
            *(f"logo or stamp: {message}" for message in self._image_messages),
        )
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=_without_control_characters,
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
        }
        self._template = environment.get_template("attestation.html")

    def render(self, learner: LearnerRecord, replaced: Replaced | None = None) -> RenderedDocument:
        """Return the PDF of one learner who played the session; `replaced` is the document it cancels."""
        number = document_number(self._session.session_id, learner.user_id, self._issue_number)
        levels = Counter(line.evidence_level for line in learner.log)
        name = display_name(learner.user_id, learner.last_name, learner.first_name)
        page = self._template.render(
            learner=learner,
            name=name,
            number=number,
            replaced=replaced,
            calendar=print_calendar(learner.days, self._session, self._wording),
            steps=print_steps(learner.steps, self._wording, self._one_width_characters),
            log=print_log(learner.log, self._wording, self._build, self._inexplicit_ends, self._one_width_characters),
            sources=[(level, levels[level.code]) for level in self._evidence_levels if levels[level.code]],
        )
        made_at = datetime.combine(self._issued_on, time(), UTC)
        with Messages() as messages:
            content, pages = self.engine.pdf(
                page,
                self.engine.attachment(
                    log_csv(learner.log),
                    name=self._wording.text("attachment"),
                    description=self._wording.text("attachment_description"),
                    created=made_at,
                    modified=made_at,
                    relationship="Data",
                ),
            )
        return RenderedDocument(
            number=number,
            content=content,
            pages=pages,
            warnings=tuple(f"{name}: {text}" for text in messages.texts if text not in self._image_messages),
        )

    def _foot(self, inputs: AttestationInputs) -> str:
        """Return the style of the foot of all pages: the footer text, and a line under it."""
        lines = _footer_lines(inputs.footer)
        taken = FOOTER_LINE_MM * lines + (1 if lines else 0)
        build = self._build
        as_of = self._wording.text(
            "data_as_of",
            date=short_date(build.data_as_of_local),
            time=f"{build.data_as_of_local:%H:%M}",
            zone=build.display_timezone,
        )
        texts = {
            "bottom-left": "",
            "bottom-center": f"content: {css_string(as_of)}; text-align: center; width: 66mm",
            "bottom-right": f'content: {css_string(self._wording.text("page"))} " " counter(page) "/" counter(pages)',
        }
        line = (
            f"font-size: 7pt; line-height: 3.2mm; color: #566270; vertical-align: top; margin-top: {2.5 + taken}mm; "
            "border-top: 0.4pt solid #c5ced8; padding-top: 1.2mm"
        )
        boxes = "".join(f"@{place} {{ {line}; {own} }}" for place, own in texts.items())
        text = css_string((inputs.footer or "").translate(NO_XML))
        footer = (
            f"@bottom-right-corner {{ content: {text}; margin-left: -180mm; width: 180mm; vertical-align: top; "
            f"padding-top: 2.5mm; text-align: center; white-space: pre-line; overflow-wrap: anywhere; font-size: 7pt; "
            f"line-height: {FOOTER_LINE_MM}mm; color: #566270 }}"
        )
        return f"@page {{ margin-bottom: {16 + taken}mm; {boxes} {footer if lines else ''} }}"

    def _messages_of(self, images: dict[str, CheckedImage]) -> list[str]:
        """Draw each image alone: WeasyPrint would leave one out without a word to the user."""
        noticed: list[str] = []
        for part, image in images.items():
            url = f"{SCHEME}image/{part}"
            with Messages() as messages:
                self.engine.pdf(f"<html lang='en'><body><img src='{url}' alt='{part}'/></body></html>")
            if any(url in text for text in messages.texts):
                raise UserError(
                    f"The {part} {image.name} cannot be drawn. Save it as PNG, or as plain SVG without imported styles."
                )
            noticed.extend(messages.texts)
        return noticed


def _without_control_characters(value: Any) -> Any:
    return value.translate(NO_XML) if isinstance(value, str) and not isinstance(value, Markup) else value


def _footer_lines(footer: str | None) -> int:
    """Return how many lines the footer takes at most; raise UserError when the page has no room for it."""
    lines = sum(max(1, math.ceil(len(line) / FOOTER_LINE_CHARACTERS)) for line in (footer or "").splitlines())
    if lines > MAX_FOOTER_LINES:
        raise UserError(f"The footer takes {lines} lines, and a page has room for {MAX_FOOTER_LINES}. Shorten it.")
    return lines
