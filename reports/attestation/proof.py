"""Reads a finished PDF as its holder would: what it prints, and the rows attached to it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, cached_property
from typing import get_args

import pypdfium2

from reports.attestation.attachment import read_log_csv
from reports.attestation.log_lines import FLAG_SIGNS, SIGNS
from reports.attestation.model import LearnerRecord, Session
from reports.attestation.wording import Wording, load_wording
from reports.language import DASH, Language, duration, short_date
from warehouse.errors import OpcoError

# In pixels of CSS: the total has 18.7, the largest user text, the organisation's name, 14.
LARGE_TYPE = 16.5
# Characters below a line in which the rest of a name is looked for.
NAME_BELOW = 600
LINE_START = r"\n ?\d+ \S+ \d\d/\d\d/\d{4} "
SIGN = rf"[{re.escape(SIGNS)}]*"
FLAGS = rf"(?: [{FLAG_SIGNS}]+)?"
DAY = r"(?:\d{2,}:\d\d:\d\d )?"
# A line of a log, whatever it says.
ANY_LINE = re.compile(
    rf"(?m)^ ?\d+ \S+ \d\d/\d\d/\d{{4}} .*(?:\d\d|{DASH})\S*(?: \+\S+ \S)?{FLAGS} "
    rf"(?:\d{{2,}}:\d\d:\d\d|{DASH}) {DAY}\d{{2,}}:\d\d:\d\d$"
)


@dataclass(frozen=True)
class PrintedDocument:
    """What a PDF says: its number, the rows of its attached file, and the text of its pages.

    `created_on` is the day of the PDF's own date, which is that of issue; None where it has none.
    """

    number: str
    rows: tuple[dict[str, str], ...]
    pages: tuple[str, ...]
    wording: Wording
    created_on: date | None

    @property
    def printed_seconds(self) -> int:
        """The total that it prints."""
        raise NotImplementedError

    def fault(self) -> str:
        """Return what does not add up, or an empty text."""
        raise NotImplementedError

    def fault_of_number_and_date(self) -> str:
        """Return which page prints another number, or that the date of issue is another; or an empty text."""
        missing = [page for page, one in enumerate(self.pages, start=1) if letters(self.number) not in letters(one)]
        if missing:
            return f"its page {missing[0]} prints another number than {self.number}"
        day = self.created_on and letters(self.wording.long_date(self.created_on))
        if not day or day not in self.all_letters:
            return "it prints another date of issue than the PDF says of itself"
        return ""

    def prints(self, text: str) -> bool:
        """Whether each word of a text stands on the pages; one of a script that is not read back as written counts."""
        return all(not _is_latin(word) or word in self.all_letters for word in map(letters, plain(text).split()))

    @cached_property
    def all_letters(self) -> str:
        """The text of all pages without blanks and hyphens."""
        return letters(" ".join(self.pages))


@dataclass(frozen=True)
class Proof(PrintedDocument):
    """What a PDF with a log says, and the total that it prints."""

    total: int

    @property
    def printed_seconds(self) -> int:
        """The total that it prints."""
        return self.total

    @property
    def attached_seconds(self) -> int:
        """The sum of the time spent in the attached rows."""
        return sum(int(row["retained_seconds"] or 0) for row in self.rows)

    def fault(self) -> str:
        """Return what does not add up, or an empty text: totals, each printed line, connections, number and date."""
        return (
            self.fault_of_sums() or self._fault_of_lines() or self._fault_of_ends() or self.fault_of_number_and_date()
        )

    def fault_of_sums(self) -> str:
        """Return which total of seconds does not add up, or an empty text."""
        if self.printed_seconds != self.attached_seconds:
            return f"it prints {self.printed_seconds} seconds, its attached rows add up to {self.attached_seconds}"
        total = 0
        for number, row in enumerate(self.rows, start=1):
            total += int(row["retained_seconds"] or 0)
            if (row["number"], row["running_total_seconds"]) != (str(number), str(total)):
                return f"the running total of its attached rows breaks at row {number}"
        return ""

    def _fault_of_lines(self) -> str:
        """Compare each printed line of the log with its attached row, in their order.

        Several connections of zero seconds of one day may stand in one line.
        """
        text, at, begins = plain("\n".join(self.pages)), 0, set()
        for row in self.rows:
            match = re.compile(_printed_line(row, self.wording)).search(text, at)
            if not match and row["elapsed_seconds"] == "0" and re.search(_folded_line(row, self.wording), text):
                continue
            if not match and _is_right_to_left(row["course_name"]) and self._prints_figures(row):
                continue
            if not match or not _names(row["course_name"], match["name"], text[match.end() : match.end() + NAME_BELOW]):
                return f"it prints no line that is its attached row {row['number']}"
            at = match.end()
            begins.add(match.start())
        names = {letters(row["course_name"]) for row in self.rows}
        for line in ANY_LINE.finditer(text):
            if line.start() not in begins and not any(letters(line[0]) in name for name in names):
                return f"it prints a line that is none of its attached rows: {line[0].strip()[:100]}"
        return ""

    def _fault_of_ends(self) -> str:
        """Compare the first and the last connection that are printed with what is attached."""
        text = plain("\n".join(self.pages))
        begun = [row["connected_at_local"] for row in self.rows]
        ended = [row["disconnected_at_local"] or row["connected_at_local"] for row in self.rows]
        for what, instant in (("first", min(begun, key=_instant)), ("last", max(ended, key=_instant))):
            local = _instant(instant)
            if not re.search(rf"{short_date(local)} (?:\S+ )?{local:%H:%M:%S}", text.replace("\n", " ")):
                return (
                    f"it prints another {what} connection than its attached rows: {short_date(local)} {local:%H:%M:%S}"
                )
        return ""

    def _prints_figures(self, row: dict[str, str]) -> bool:
        """Whether day, times and totals of a row stand on the pages: a line of right-to-left is read back in pieces."""
        begun = _instant(row["connected_at_local"])
        seconds = [int(row[name]) for name in ("retained_seconds", "running_total_seconds") if row[name]]
        instants = [_instant(row[name]) for name in ("connected_at_local", "disconnected_at_local") if row[name]]
        figures = [short_date(begun), *(f"{one:%H:%M:%S}" for one in instants), *map(duration, seconds)]
        return all(figure in self.all_letters for figure in figures)


def read_proof(content: bytes, *, with_pages: bool = False) -> Proof:
    """Read the bytes of an attestation, the text of its pages if asked for. Raises ValueError saying why it is none."""
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        raise ValueError("it is no readable PDF") from error
    try:
        attachments = [document.get_attachment(index) for index in range(document.count_attachments())]
        words = {language: load_wording(language) for language in get_args(Language)}
        logs = [
            (one, words[language])
            for one in attachments
            for language in words
            if one.get_name() == words[language].text("attachment")
        ]
        if len(logs) != 1:
            raise ValueError(f"it has {len(logs)} attached logs of connections, not one")
        ((attachment, wording),) = logs
        rows = tuple(read_log_csv(bytes(attachment.get_data())))
        page = pages_of(document)
        total = _total(map(page, range(len(document))), wording)
        pages = tuple(page(index).get_text_range() for index in range(len(document))) if with_pages else ()
        return Proof(number_of(document), rows, pages, wording, created_on(document), total)
    except pypdfium2.PdfiumError as error:
        raise ValueError(f"it cannot be read ({error})") from error
    finally:
        document.close()


def check_sums(record: LearnerRecord, session: Session) -> None:
    """Compare the rows of the log with the learner's total: no document whose lines do not add up. Raises OpcoError."""
    total = sum(line.retained_seconds or 0 for line in record.log)
    if total != record.totals.retained_seconds or len(record.log) != record.totals.connection_count:
        raise OpcoError(
            f"The log of learner {record.user_id} in session {session.session_id} has {len(record.log)} lines and "
            f"{total} seconds, but fct_learner_sessions says {record.totals.connection_count} and "
            f"{record.totals.retained_seconds}. Build the warehouse again with: opco build --raw FOLDER"
        )


def check_proof(content: bytes, record: LearnerRecord) -> None:
    """Read the finished PDF as its holder would, and compare it with the learner's total, to the second.

    Raises OpcoError where it differs.
    """
    try:
        proof = read_proof(content)
    except ValueError as error:
        raise OpcoError(f"The finished PDF cannot be checked: {error}.") from error
    fault = proof.fault_of_sums()
    totals = record.totals
    if not fault and (proof.printed_seconds, len(proof.rows)) != (totals.retained_seconds, totals.connection_count):
        fault = (
            f"it prints {proof.printed_seconds} seconds and holds {len(proof.rows)} rows, fct_learner_sessions says "
            f"{totals.retained_seconds} and {totals.connection_count}"
        )
    if fault:
        raise OpcoError(f"The finished PDF does not add up: {fault}.")


def created_on(document: pypdfium2.PdfDocument) -> date | None:
    """Return the day of the PDF's own date; None where it has none."""
    match = re.match(r"D:(\d{4})(\d\d)(\d\d)", str(document.get_metadata_value("CreationDate")))
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def _printed_line(row: dict[str, str], wording: Wording) -> str:
    """Return the expression that the printed line of a row matches, with the name of its course as `name`.

    Signs may stand behind the end, the offset from UTC behind both times, and the time of the day before the total.
    """
    begun = _instant(row["connected_at_local"])
    end = DASH + SIGN
    if row["disconnected_at_local"]:
        days = (_instant(row["disconnected_at_local"]).date() - begun.date()).days
        end = _clock(row["disconnected_at_local"]) + SIGN
        end += f" {re.escape(wording.text('following_day', days=days))}" if days else ""
    spent = duration(int(row["retained_seconds"]) if row["retained_seconds"] else None)
    begin = f"{row['number']} {_weekday_and_date(row, wording)}"
    name = rf"(?P<name>(?:(?!{LINE_START})[\s\S])*?)"
    figures = f"{spent} {DAY}{duration(int(row['running_total_seconds']))}"
    return rf"(?m)^ ?{begin} {name} ?\b{_clock(row['connected_at_local'])} {end}{FLAGS} {figures}$"


def _folded_line(row: dict[str, str], wording: Wording) -> str:
    """Return the expression that the line of a day's connections of zero seconds matches: it has no number."""
    return rf"(?m)^ ?{_weekday_and_date(row, wording)} [\s\S]*? {duration(0)} {DAY}\d{{2,}}:\d\d:\d\d$"


def _weekday_and_date(row: dict[str, str], wording: Wording) -> str:
    begun = _instant(row["connected_at_local"])
    return f"{re.escape(wording.weekdays[begun.weekday()])} {short_date(begun)}"


def _clock(local: str) -> str:
    return rf"{_instant(local):%H:%M:%S}(?:{re.escape(local[-6:])})?"


def _instant(local: str) -> datetime:
    return datetime.fromisoformat(local)


def plain(text: str) -> str:
    """Return text with each run of blanks as one, lines kept."""
    return re.sub(r"[^\S\n]+", " ", text.replace("\r", ""))


def letters(text: str) -> str:
    """Return text without blanks and hyphens, which a line's end may have added or taken."""
    return re.sub(r"[\s\-\u00ad\u2010\u2011\x02\ufffe]+", "", unicodedata.normalize("NFKC", text)).casefold()


def _names(course: str, printed: str, below: str) -> bool:
    """Whether what is printed of a course's name, in its line and in those below, is its name."""
    name, begin = letters(course.removeprefix("'")), letters(printed).removeprefix("'")
    if not _is_latin(name):
        return True
    return name.startswith(begin) and (len(name) > len(below) // 2 or name[len(begin) :] in letters(below))


def _is_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(one) in ("R", "AL") for one in text)


def _is_latin(text: str) -> bool:
    return text.isprintable() and all(one < "\u0300" or "\u2010" <= one <= "\u203a" for one in text)


def number_of(document: pypdfium2.PdfDocument) -> str:
    """Return the number in the title of a document."""
    return str(document.get_metadata_value("Title")).rpartition(" ")[2]


def pages_of(document: pypdfium2.PdfDocument) -> Callable[[int], pypdfium2.PdfTextPage]:
    """Return what reads the text of the page of an index, once."""
    return cache(lambda index: document[index].get_textpage())


def _total(pages: Iterable[pypdfium2.PdfTextPage], wording: Wording) -> int:
    """Return the total of the summary, in seconds: it stands with its hours in hundredths, in large type.

    User text may look like a total; it is never printed so large.
    """
    hours = re.escape(wording.text("hours", hours="\0")).replace("\0", r"(\d+[.,]\d\d)").replace("\\ ", r"\s+")
    pattern = rf"(?<![\d:])(\d{{2,}}:[0-5]\d:[0-5]\d)\s+{hours}"
    for words in pages:
        found = {match[1]: match[2] for match in re.finditer(pattern, words.get_text_range())}
        large = [printed for printed in found if type_size(words, printed) >= LARGE_TYPE]
        if len(large) > 1:
            raise ValueError("it prints several totals")
        if large:
            seconds = _seconds(large[0])
            if wording.hundredths(seconds) != found[large[0]]:
                raise ValueError(f"it prints {large[0]}, and {found[large[0]]} hours, which is another time")
            return seconds
    raise ValueError("it prints no total")


def type_size(page: pypdfium2.PdfTextPage, words: str) -> float:
    """Return the size of the largest type in which `words` stand on the page."""
    search, size = page.search(words), 0.0
    while match := search.get_next():
        size = max(size, pypdfium2.raw.FPDFText_GetFontSize(page.raw, match[0]))
    return size


def _seconds(printed: str) -> int:
    hours, minutes, seconds = map(int, printed.split(":"))
    return hours * 3600 + minutes * 60 + seconds
