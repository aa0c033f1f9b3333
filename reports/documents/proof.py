"""Reads a finished document as its holder would: what it prints, and the rows attached to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import pypdfium2

from reports.attestation.attachment import read_csv
from reports.attestation.proof import (
    LARGE_TYPE,
    PrintedDocument,
    created_on,
    letters,
    number_of,
    pages_of,
    read_proof,
    type_size,
)
from reports.documents.attachment import COLUMNS
from reports.documents.wording import hours_and_minutes, load_wording
from reports.language import Language


@dataclass(frozen=True)
class CreditedDocument(PrintedDocument):
    """What a document on credited hours says: `hours` as HH:MM and `hundredths` as printed.

    `lists_activities` is whether it prints each of its attached rows.
    """

    hours: str
    hundredths: str
    lists_activities: bool

    @property
    def printed_seconds(self) -> int:
        """The seconds that its attached rows add up to, which it prints as hours, rounded down."""
        return sum(int(row["credited_seconds"]) for row in self.rows)

    def fault(self) -> str:
        """Return what does not add up, or an empty text: totals, printed activities, number and date."""
        return self.fault_of_sums() or self._fault_of_activities() or self.fault_of_number_and_date()

    def fault_of_sums(self) -> str:
        """Return which total does not add up, or an empty text."""
        total = 0
        for number, row in enumerate(self.rows, start=1):
            total += int(row["credited_seconds"])
            if (row["number"], row["running_total_seconds"]) != (str(number), str(total)):
                return f"the running total of its attached rows breaks at row {number}"
        printed, attached = (self.hours, self.hundredths), (hours_and_minutes(total), self.wording.hundredths(total))
        if printed != attached:
            return f"it prints {' and '.join(printed)} hours, its attached rows add up to {' and '.join(attached)}"
        return ""

    def _fault_of_activities(self) -> str:
        """Look for the name, the day and the credited time of each attached row."""
        for row in self.rows if self.lists_activities else ():
            day = "/".join(reversed(row["completed_on"].split("-")))
            figures = [letters(one) for one in (day, hours_and_minutes(int(row["credited_seconds"]))) if one]
            name = row["resource_name"].removeprefix("'")
            if not self.prints(name) or not all(figure in self.all_letters for figure in figures):
                return f"it prints no activity that is its attached row {row['number']}"
        return ""


def read_document(content: bytes, *, with_pages: bool = False) -> PrintedDocument:
    """Read the bytes of a document of any kind, the text of its pages if asked for. Raises ValueError where it is none.

    Its kind is told by the name of the file attached to it.
    """
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        raise ValueError("it is no readable PDF") from error
    try:
        attachments = [document.get_attachment(index) for index in range(document.count_attachments())]
        names = [one.get_name() for one in attachments]
        for language in get_args(Language):
            wording = load_wording(language)
            for key in ("activities_attachment", "hours_attachment"):
                if names != [wording.text(key)]:
                    continue
                page, indexes = pages_of(document), range(len(document))
                hours, hundredths = _hours(map(page, indexes), wording.text("hours", hours="\0"))
                return CreditedDocument(
                    number=number_of(document),
                    rows=tuple(read_csv(bytes(attachments[0].get_data()), COLUMNS)),
                    pages=tuple(page(index).get_text_range() for index in indexes) if with_pages else (),
                    wording=wording,
                    created_on=created_on(document),
                    hours=hours,
                    hundredths=hundredths,
                    lists_activities=key == "activities_attachment",
                )
    except pypdfium2.PdfiumError as error:
        raise ValueError(f"it cannot be read ({error})") from error
    finally:
        document.close()
    return read_proof(content, with_pages=with_pages)


def _hours(pages: Iterable[pypdfium2.PdfTextPage], words: str) -> tuple[str, str]:
    """Return the credited hours as printed, as HH:MM and in hundredths: in large type, as no text of users is."""
    in_hundredths = re.escape(words).replace("\0", r"(\d+[.,]\d\d)").replace("\\ ", r"\s+")
    for text in pages:
        found: list[tuple[str, str]] = re.findall(
            rf"(?<![\d:])(\d{{2,}}:[0-5]\d)\s+{in_hundredths}", text.get_text_range()
        )
        large = [one for one in found if type_size(text, one[0]) >= LARGE_TYPE]
        if len(set(large)) > 1:
            raise ValueError("it prints several totals")
        if large:
            return large[0]
    raise ValueError("it prints no total")
