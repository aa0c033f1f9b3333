"""Both languages say the same things, and write dates and figures their own way."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from string import Formatter

import pytest

from reports.attestation.inputs import LOG_LIMITS
from reports.attestation.log_lines import STEP_FIGURES
from reports.attestation.wording import load_wording
from reports.language import duration


def fields(text: str) -> set[str | None]:
    return {field for _, field, _, _ in Formatter().parse(text) if field}


def test_both_catalogues_have_the_same_keys_and_fields() -> None:
    french, english = load_wording("fr"), load_wording("en")
    assert french.texts.keys() == english.texts.keys()
    for key, text in french.texts.items():
        assert fields(text) - {"day"} == fields(english.texts[key]) - {"day"}, key
    assert (len(french.months), len(french.weekdays)) == (len(english.months), len(english.weekdays)) == (12, 7)


def test_every_word_of_the_catalogue_is_used() -> None:
    folder = Path(__file__).parents[3] / "reports" / "attestation"
    sources = "".join(path.read_text() for path in [*folder.glob("*.py"), *folder.glob("templates/*")])
    made = {f"log_{name}" for name in ("number", "date", "course", "connected", "disconnected")}
    made |= {f"log_{name}" for name in ("signs", "time_spent", "day", "running_total")}
    made |= {f"source_{name}" for name in ("platform", "courses", "assessments")}
    made |= {f"finding_connections_{name}" for name in ("one", "many")}
    made |= {"assessment", "optional", "outside_program"}
    made |= {f"step_{name}" for name in STEP_FIGURES}
    made |= {f"method_log_{kind}{ending}" for kind in LOG_LIMITS for ending in ("", "_text")}
    assert [
        key for key in load_wording("fr").texts if key not in made and not re.search(f"[\"']{key}[\"']", sources)
    ] == []


def test_french_double_punctuation_has_narrow_no_break_spaces() -> None:
    for key, text in load_wording("fr").texts.items():
        assert not re.search(r"[ \u00a0][;:!?»%]|« ", text), key
    assert "\u202f:" in load_wording("fr").texts["meaning"]
    assert "\u202f" not in "".join(load_wording("en").texts.values())


def test_no_document_calls_itself_what_it_is_not() -> None:
    for language in ("fr", "en"):
        words = " ".join(load_wording(language).texts.values()).casefold()
        for banned in ("certificat", "électronique", "electronic", "6353", "assiduité"):
            assert banned not in words


@pytest.mark.parametrize(
    ("seconds", "shown", "hours"),
    [(0, "00:00:00", "0,00"), (35, "00:00:35", "0,00"), (3599, "00:59:59", "0,99"), (446399, "123:59:59", "123,99")],
)
def test_durations(seconds: int, shown: str, hours: str) -> None:
    assert duration(seconds) == shown
    assert load_wording("fr").hundredths(seconds) == hours


@pytest.mark.parametrize(
    ("value", "french", "english"),
    [
        (None, "—", "—"),
        (Decimal("0.05"), "0,1\u202f%", "0.1%"),
        (Decimal("62.250000"), "62,3\u202f%", "62.3%"),
        (Decimal("99.949999"), "99,9\u202f%", "99.9%"),
        (Decimal(100), "100,0\u202f%", "100.0%"),
    ],
)
def test_percentages_have_one_decimal_half_up(value: Decimal | None, french: str, english: str) -> None:
    assert (load_wording("fr").percent(value), load_wording("en").percent(value)) == (french, english)


def test_dates_and_planned_durations() -> None:
    french, english = load_wording("fr"), load_wording("en")
    assert french.long_date(date(2026, 8, 1)) == "1er\u00a0août\u00a02026"
    assert english.long_date(date(2026, 8, 1)) == "1\u00a0August\u00a02026"
    shown = [french.planned_duration(seconds) for seconds in (None, 0, 45, 2700, 3600, 5400, 5425)]
    assert [text.replace("\u00a0", " ") for text in shown] == [
        "—",
        "0 min",
        "0 min 45 s",
        "45 min",
        "1 h",
        "1 h 30",
        "1 h 30 min 25 s",
    ]
