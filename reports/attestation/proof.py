"""Reads a finished PDF as its holder would: the total it prints, and the rows attached to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import pypdfium2

from reports.attestation.attachment import read_log_csv
from reports.attestation.model import Language
from reports.attestation.wording import Wording, load_wording

# In pixels of CSS: the total has 18.7, the largest user text, the organisation's name, 14.
LARGE_TYPE = 16.5


@dataclass(frozen=True)
class Proof:
    """What a PDF says: its number, the total that it prints, and the rows of its attached log."""

    number: str
    printed_seconds: int
    rows: tuple[dict[str, str], ...]

    @property
    def attached_seconds(self) -> int:
        """The sum of the time spent in the attached rows."""
        return sum(int(row["retained_seconds"] or 0) for row in self.rows)

    def fault(self) -> str:
        """Return what does not add up, or an empty text."""
        if self.printed_seconds != self.attached_seconds:
            return f"it prints {self.printed_seconds} seconds, its attached rows add up to {self.attached_seconds}"
        total = 0
        for place, row in enumerate(self.rows, start=1):
            total += int(row["retained_seconds"] or 0)
            if (row["number"], row["running_total_seconds"]) != (str(place), str(total)):
                return f"the running total of its attached rows breaks at row {place}"
        return ""


def read_proof(content: bytes) -> Proof:
    """Read the bytes of an attestation. Raises ValueError saying why they are none."""
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        raise ValueError("it is no readable PDF") from error
    try:
        attachments = [document.get_attachment(index) for index in range(document.count_attachments())]
        words = {language: load_wording(language) for language in get_args(Language)}
        mine = [
            (one, words[language])
            for one in attachments
            for language in words
            if one.get_name() == words[language].text("attachment")
        ]
        if len(mine) != 1:
            raise ValueError(f"it has {len(mine)} attached logs of connections, not one")
        ((attachment, wording),) = mine
        return Proof(_number(document), _total(document, wording), tuple(read_log_csv(bytes(attachment.get_data()))))
    except pypdfium2.PdfiumError as error:
        raise ValueError(f"it cannot be read ({error})") from error
    finally:
        document.close()


def read_rows(content: bytes) -> Sequence[dict[str, str]] | None:
    """Return the rows attached to an earlier document, or None where they cannot be read."""
    try:
        return read_proof(content).rows
    except ValueError:
        return None


def _number(document: pypdfium2.PdfDocument) -> str:
    return str(document.get_metadata_value("Title")).rpartition(" ")[2]


def _total(document: pypdfium2.PdfDocument, wording: Wording) -> int:
    """Return the total of the summary, in seconds: it stands with its hours in hundredths, in large type.

    User text may look like a total; it is never printed so large.
    """
    hours = re.escape(wording.text("hours", hours="\0")).replace("\0", r"(\d+[.,]\d\d)").replace("\\ ", r"\s+")
    pattern = rf"(?<![\d:])(\d{{2,}}:[0-5]\d:[0-5]\d)\s+{hours}"
    for page in document:
        words = page.get_textpage()
        found = {match[1]: match[2] for match in re.finditer(pattern, words.get_text_range())}
        large = [printed for printed in found if _type_size(words, printed) >= LARGE_TYPE]
        if len(large) > 1:
            raise ValueError("it prints several totals")
        if large:
            seconds = _seconds(large[0])
            if wording.hundredths(seconds) != found[large[0]]:
                raise ValueError(f"it prints {large[0]}, and {found[large[0]]} hours, which is another time")
            return seconds
    raise ValueError("it prints no total")


def _type_size(page: pypdfium2.PdfTextPage, words: str) -> float:
    """Return the size of the largest type in which `words` stand on the page."""
    search, size = page.search(words), 0.0
    while match := search.get_next():
        size = max(size, pypdfium2.raw.FPDFText_GetFontSize(page.raw, match[0]))
    return size


def _seconds(printed: str) -> int:
    hours, minutes, seconds = map(int, printed.split(":"))
    return hours * 3600 + minutes * 60 + seconds
