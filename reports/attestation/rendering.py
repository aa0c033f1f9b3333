"""From a learner's record to the bytes of a PDF: Jinja2 (autoescaped) and WeasyPrint."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from reports.attestation.attachment import log_csv
from reports.attestation.calendar_sheets import print_calendar
from reports.attestation.inputs import LOG_LIMITS, AttestationInputs
from reports.attestation.log_lines import PrintedLog, print_finding, print_log, print_steps
from reports.attestation.model import Build, CodeTexts, LearnerRecord, RenderedDocument, Replaced, Session
from reports.attestation.wording import Wording, display_name, load_wording
from reports.language import DASH, duration, short_date
from reports.printing.columns import LINE_CHARACTERS, PrintedLines
from reports.printing.engine import SCHEME, Engine, Messages, css_string
from reports.printing.fonts import letters_of, one_width_characters
from reports.printing.images import CheckedImage
from warehouse.errors import UserError

TEMPLATES = Path(__file__).parent / "templates"
FOOTER_LINE_CHARACTERS = 135
MAX_FOOTER_LINES = 6
FOOTER_LINE_MM = 3.4
LEGEND_LINE_CHARACTERS = 140
LEGEND_LINE_MM = 3.2
NAME_WIDTHS = "".join(f".wide-{width} {{ width: {width * 0.6:.1f}em }}" for width in range(LINE_CHARACTERS))
# XML has no place for them, not even escaped.
NO_XML = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF), "\ufffd")


class PageRenderer:
    """Renders the documents of one issue of a session from one template; what they share is prepared once."""

    template = ""
    css: tuple[Path, ...] = ()
    attachment = ("", "")
    """Keys of the words that name and describe the attached file."""

    def __init__(
        self,
        inputs: AttestationInputs,
        images: dict[str, CheckedImage],
        session: Session,
        build: Build,
        texts: CodeTexts,
        issued_on: date,
        *,
        wording: Wording | None = None,
        styles: Sequence[str] = (),
        allows_missing_letters: bool = False,
    ) -> None:
        """Prepare an issue; `images` holds the checked images by part ("logo", "stamp"), `styles` is CSS besides ours.
        Unless `allows_missing_letters`, a document with a letter that no font has is not made.

        Raises UserError when the footer has no room on the page.
        """
        self._session = session
        self._build = build
        self._inputs = inputs
        self._allows_missing_letters = allows_missing_letters
        self._texts = texts
        self._issued_on = issued_on
        self._wording = wording or load_wording(inputs.language).with_nouns(inputs.nouns)
        self._one_width_characters = one_width_characters()
        style = (path.read_text(encoding="utf-8") for path in (TEMPLATES / "attestation.css", *self.css))
        self.engine = Engine(images, (*style, NAME_WIDTHS, _resolutions(images), *styles))
        _footer_lines(inputs.footer)
        self.warnings = (
            *(
                f"{part} {image.name}: left out of it: {', '.join(image.left_out)}"
                for part, image in images.items()
                if image.left_out
            ),
            *(f"{part} {image.name}: {message}" for part, image in images.items() for message in image.messages),
        )
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([TEMPLATES, *{path.parent for path in self.css}]),
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
        self._template = environment.get_template(self.template)

    def finished(
        self, page: str, name: str, attached: bytes, *, spoken: Sequence[str] = (), legend: str = ""
    ) -> RenderedDocument:
        """Return the PDF of a page about somebody, with a file attached; `spoken` as for `Engine.pdf`.

        `legend` is what the foot of its pages says of signs. Raises MissingLettersError where no font has a letter.
        """
        letters = letters_of(page + (self._inputs.footer or ""))
        if not self._allows_missing_letters:
            letters.require()
        made_at = datetime.combine(self._issued_on, time(), UTC)
        file, description = self.attachment
        with Messages() as messages:
            content, pages = self.engine.pdf(
                page,
                self.engine.attachment(
                    attached,
                    name=self._wording.text(file),
                    description=self._wording.text(description),
                    created=made_at,
                    modified=made_at,
                    relationship="Data",
                ),
                self.engine.with_families(letters.families, ".entries, .log-total")
                + self._foot(math.ceil(len(legend) / LEGEND_LINE_CHARACTERS)),
                spoken,
            )
        # WeasyPrint logs each missing letter, but for those where a font draws what it likes.
        noticed = [text for text in messages.texts if not text.startswith(".notdef glyph")]
        if letters.missing:
            noticed.append(f"{letters.lack}; a box stands in its place")
        return RenderedDocument(
            content=content,
            pages=pages,
            warnings=tuple(f"{name}: {text}" for text in noticed),
        )

    def _foot(self, legend_lines: int) -> str:
        """Return the style of the foot of all pages: what signs mean, the footer text, and a line under it."""
        inputs = self._inputs
        lines = _footer_lines(inputs.footer)
        taken = LEGEND_LINE_MM * legend_lines + FOOTER_LINE_MM * lines + (1 if lines else 0)
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
        boxes = "".join(f"@{box} {{ {line}; {own} }}" for box, own in texts.items())
        text = css_string((inputs.footer or "").translate(NO_XML))
        footer = (
            f"@bottom-right-corner {{ content: {text}; margin-left: -180mm; width: 180mm; vertical-align: top; "
            f"padding-top: {2.5 + LEGEND_LINE_MM * legend_lines}mm; text-align: center; white-space: pre-line; "
            "overflow-wrap: anywhere; font-size: 7pt; "
            f"line-height: {FOOTER_LINE_MM}mm; color: #566270 }}"
        )
        return f"@page {{ margin-bottom: {16 + taken}mm; {boxes} {footer if lines else ''} }}"


class Renderer(PageRenderer):
    """Renders attestations (A)."""

    template = "attestation.html"
    attachment = ("attachment", "attachment_description")

    def render(self, learner: LearnerRecord, number: str, replaced: Replaced | None = None) -> RenderedDocument:
        """Return the PDF of one learner who played the session; `replaced` is the document it cancels.

        Raises MissingLettersError where no font has a letter of it.
        """
        levels = Counter(line.evidence_level for line in learner.log)
        name = display_name(learner.user_id, learner.last_name, learner.first_name)
        log = print_log(
            learner.log,
            self._wording,
            self._build,
            self._texts,
            self._one_width_characters,
            folds_zero_seconds=self._inputs.folds_zero_seconds,
        )
        steps = print_steps(learner.steps, self._wording, self._one_width_characters)
        page = self._template.render(
            learner=learner,
            name=name,
            number=number,
            replaced=replaced,
            title=self._wording.text("title"),
            subject=self._wording.text("subject"),
            issued_key="issued_on",
            replaces_key="replaces",
            month="",
            calendar=print_calendar(learner.days, self._session, self._wording),
            steps=steps,
            log=log,
            statement=self._statement(learner),
            findings=[print_finding(finding, self._wording, self._build) for finding in learner.findings],
            log_limits=[one for one in self._inputs.log_limits if LOG_LIMITS[one] & levels.keys()],
            sources=[(level, levels[level.code]) for level in self._texts.evidence_levels if levels[level.code]],
        )
        return self.finished(
            page, name, log_csv(learner.log), spoken=spoken_lines([steps, log.columns], log), legend=log.legend
        )

    def _statement(self, learner: LearnerRecord) -> str:
        inputs = self._inputs
        named = " ".join(part for part in (learner.first_name, learner.last_name) if part)
        return self._wording.attested(
            inputs.legal_representative,
            inputs.capacity,
            inputs.name,
            learner=named or learner.user_id,
            time=duration(learner.totals.retained_seconds),
            session=self._session.session_name,
        )


def spoken_lines(tables: Sequence[PrintedLines], log: PrintedLog) -> list[str]:
    """Return what the lines of tables are read aloud as; the notes below the log as they stand."""
    return [line.spoken for one in tables for line in one.lines] + [""] * (len(log.notes) + len(log.remarks))


def _resolutions(images: dict[str, CheckedImage]) -> str:
    """Return the style that gives each image the size that its file asks for."""
    return "".join(
        f"img[src='{SCHEME}image/{part}'] {{ image-resolution: {image.dots}dppx }}" for part, image in images.items()
    )


def _without_control_characters(value: Any) -> Any:
    return value.translate(NO_XML) if isinstance(value, str) and not isinstance(value, Markup) else value


def _footer_lines(footer: str | None) -> int:
    """Return how many lines the footer takes at most; raise UserError when the page has no room for it."""
    lines = sum(max(1, math.ceil(len(line) / FOOTER_LINE_CHARACTERS)) for line in (footer or "").splitlines())
    if lines > MAX_FOOTER_LINES:
        raise UserError(f"The footer takes {lines} lines, and a page has room for {MAX_FOOTER_LINES}. Shorten it.")
    return lines
