"""The dates of a typed duration, and when they contradict those of the session."""

from __future__ import annotations

from datetime import date

import pytest

from reports.attestation.model import Session
from reports.attestation.typed_dates import contradiction, typed_dates


def session(starts_on: date | None, ends_on: date | None) -> Session:
    return Session("S", "Automne", starts_on, ends_on, "T", "Programme", None)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("35 heures", []),
        ("10 h 30 à distance, 2 séances de 1 h 30", []),
        ("10 h 30 à distance, du 14 septembre au 30 octobre 2026", ["2026-09-14", "2026-10-30"]),
        ("du 14 au 30 octobre 2026", ["2026-10-14", "2026-10-30"]),
        ("du 1er août au 2 févr. 2027", ["2027-02-02", "2027-08-01"]),
        ("le 3 décembre", ["2026-12-03"]),
        ("du 14/09/2026 au 30/10/2026, 12,50 h", ["2026-09-14", "2026-10-30"]),
        ("2026-09-14 to 2026-10-30", ["2026-09-14", "2026-10-30"]),
        ("Sept 14 to October 30, 2026", ["2026-09-14", "2026-10-30"]),
        ("le 31 février 2026", []),
    ],
)
def test_days_are_read_in_words_and_in_figures(text: str, days: list[str]) -> None:
    assert sorted(day.isoformat() for day in typed_dates(text, 2026)) == days


@pytest.mark.parametrize(
    ("text", "starts_on", "ends_on", "message"),
    [
        ("35 heures", date(2026, 6, 1), date(2026, 6, 30), ""),
        ("du 1er au 30 juin 2026", date(2026, 6, 1), date(2026, 6, 30), ""),
        ("du 1er juin 2026", date(2026, 6, 1), None, ""),
        ("le 12 juin 2026", date(2026, 6, 1), date(2026, 6, 30), ""),
        ("du 2 au 30 juin 2026", date(2026, 6, 1), date(2026, 6, 30), "02/06/2026 to 30/06/2026"),
        ("du 14 septembre au 30 octobre 2026", date(2026, 6, 1), date(2026, 6, 30), "14/09/2026 to 30/10/2026"),
        ("le 12 juillet 2026", None, date(2026, 6, 30), "12/07/2026, and the session is of … to 30/06/2026"),
        ("du 14 septembre au 30 octobre 2026", None, None, ""),
    ],
)
def test_dates_that_contradict_the_session_are_told(
    text: str, starts_on: date | None, ends_on: date | None, message: str
) -> None:
    found = contradiction(text, session(starts_on, ends_on))
    assert (message in found) if message else found == ""
