"""From what a learner followed to the bytes of a PDF: certificate, attestation of attendance, log to sign."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reports.attestation.attachment import log_csv
from reports.attestation.log_lines import print_finding, print_log
from reports.attestation.model import LearnerRecord, RenderedDocument, Replaced
from reports.attestation.rendering import PageRenderer, spoken_lines
from reports.attestation.wording import display_name
from reports.documents.attachment import activities_csv, counted
from reports.documents.model import Activity, Credit, FollowedRecord
from reports.documents.wording import hours_and_minutes, listed, month_name
from reports.language import DASH, short_date
from reports.printing.columns import Entry, PrintedLines, print_columns

TEMPLATES = Path(__file__).parent / "templates"
FIGURES = ("planned_duration", "done_on", "result", "score", "credited")
KINDS_OF_ACTION = ("training", "skills_assessment", "prior_learning", "apprenticeship")


class MonthlyRenderer(PageRenderer):
    """Renders documents that may be about one month of a session."""

    css = (TEMPLATES / "documents.css",)
    title = ""

    def __init__(self, *arguments: Any, month: str | None, **options: Any) -> None:
        """Prepare an issue, as `PageRenderer`; `month` is what it is about, None for the whole session."""
        super().__init__(*arguments, **options)
        self._month = month
        month_words = month_name(self._wording, month) if month else ""
        title = self._wording.text(self.title)
        self._common = {
            "hm": hours_and_minutes,
            "month": month_words,
            "title": self._wording.text("of_month", title=title, month=month_words) if month else title,
            "issued_key": f"{self.title}_issued_on",
            "replaces_key": "document_replaces",
            "subject": self._wording.text(f"{self.title}_subject"),
            "attached": self._wording.text(self.attachment[0]),
        }

    def page(self, record: Any, number: str, replaced: Replaced | None, **values: Any) -> tuple[str, str]:
        """Return the page of a record, and whose it is."""
        name = display_name(record.user_id, record.last_name, record.first_name)
        named = " ".join(part for part in (record.first_name, record.last_name) if part) or record.user_id
        page = self._template.render(
            learner=record, name=name, named=named, number=number, replaced=replaced, **self._common, **values
        )
        return page, name


class CertificateRenderer(MonthlyRenderer):
    """Renders certificats de réalisation (D5)."""

    template, title = "certificate.html", "certificate"
    attachment = ("hours_attachment", "hours_attachment_description")

    def render(self, record: FollowedRecord, number: str, replaced: Replaced | None = None) -> RenderedDocument:
        """Return the PDF of one learner; `replaced` is the document it cancels."""
        page, name = self.page(
            record,
            number,
            replaced,
            actions=[(action, action == record.action_kind) for action in KINDS_OF_ACTION],
            missing=listed(self._wording, record.missing),
        )
        return self.finished(page, name, activities_csv(record.activities))


class AttendanceRenderer(MonthlyRenderer):
    """Renders attestations d'assiduité (D5)."""

    template, title = "attendance.html", "attendance"
    attachment = ("activities_attachment", "activities_attachment_description")

    def __init__(self, *arguments: Any, credit: Credit, **options: Any) -> None:
        """Prepare an issue; `credit` says what is printed of how hours are credited."""
        super().__init__(*arguments, **options)
        self._credit = credit

    def render(self, record: FollowedRecord, number: str, replaced: Replaced | None = None) -> RenderedDocument:
        """Return the PDF of one learner; `replaced` is the document it cancels."""
        done = counted(record.activities)
        lines = self._lines(done)
        page, name = self.page(
            record,
            number,
            replaced,
            activities=lines,
            missing=listed(self._wording, record.missing),
            suspicious=listed(self._wording, [one.resource_name for one in done if one.is_suspicious]),
            credit=self._credit,
            planned_seconds=self._session.planned_duration_seconds,
        )
        return self.finished(
            page, name, activities_csv(record.activities), spoken=[line.spoken for line in lines.lines]
        )

    def _lines(self, done: list[Activity]) -> PrintedLines:
        words = self._wording
        return print_columns(
            Entry((), words.text("activity"), [words.text(f"activity_{name}") for name in FIGURES]),
            [
                Entry(
                    (),
                    f"{one.resource_name} ({words.text('assessment')})"
                    if one.step_type == "assessment"
                    else one.resource_name,
                    [
                        words.planned_duration(one.planned_duration_seconds),
                        short_date(one.completed.local) if one.completed else DASH,
                        DASH if one.is_passed is None else words.text("passed" if one.is_passed else "failed"),
                        words.percent(one.score_pct),
                        hours_and_minutes(one.credited_seconds),
                    ],
                )
                for one in done
            ],
            (),
            (str.rjust,) * len(FIGURES),
            self._one_width_characters,
        )


class MonthlyLogRenderer(MonthlyRenderer):
    """Renders logs of connections to be signed (D5)."""

    template, title = "monthly_log.html", "monthly_log"
    attachment = ("attachment", "attachment_description")

    def render(self, record: LearnerRecord, number: str, replaced: Replaced | None = None) -> RenderedDocument:
        """Return the PDF of one learner; `replaced` is the document it cancels."""
        log = print_log(
            record.log,
            self._wording,
            self._build,
            self._texts,
            self._one_width_characters,
            folds_zero_seconds=self._inputs.folds_zero_seconds,
        )
        findings = [print_finding(finding, self._wording, self._build) for finding in record.findings]
        page, name = self.page(record, number, replaced, log=log, findings=findings)
        return self.finished(
            page, name, log_csv(record.log), spoken=spoken_lines([log.columns], log), legend=log.legend
        )
