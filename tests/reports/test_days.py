from __future__ import annotations

from datetime import date

import pytest

from reports.days import read_day


@pytest.mark.parametrize("text", ["10/11/2026", "2026-11-10"])
def test_a_day_is_written_as_documents_print_it_or_as_the_calendar_of_machines(text: str) -> None:
    assert read_day(text) == date(2026, 11, 10)


@pytest.mark.parametrize(
    "text",
    ["11/31/2026", "31/11/2026", "1/11/2026", "10/11/26", "20261110", "2026-W45-1", "10-11-2026", "", "٣٠/11/2026"],
)
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(ValueError, match=r"day|format"):
        read_day(text)
