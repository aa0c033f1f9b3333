"""Filters (E): what they keep, and what they say about a value that matches nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from reports.export import ExportFilters, ExportOptions, write_export
from warehouse.errors import UserError

Export = Callable[..., str]

# The fourth cell from the end and the one after it tell the lines apart.
LINES = {
    "c20": "Excel;25/10/2026 02:30",
    "c2": "Excel;25/10/2026 23:59",
    "c4": "Excel;02/11/2026 09:00;02/11/2026 09:01",
    "c5": "Excel;02/11/2026 09:00;02/11/2026 09:30",
    "c6": "Excel;25/10/2026 00:00",
    "c7": "Excel;01/07/2026 02:00",
    "c8": "'-Oral;29/03/2026 01:59",
    "c9": "Excel;24/10/2026 23:59",
    "c10": "Word;02/11/2026 09:00",
}


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        # Local days: 23:59 in Paris is still the 24th, 22:00 UTC on the 24th is already the 25th.
        ({"date_to": "2026-10-24"}, "c7 c8 c9"),
        ({"date_from": "2026-10-25"}, "c20 c2 c4 c5 c6 c10"),
        ({"date_from": "2026-10-25", "date_to": "2026-10-25"}, "c20 c2 c6"),
        ({"users": ["ANAIS.dupont@exemple.FR"]}, "c20 c2 c4 c5 c10"),
        ({"users": ["anonyme@exemple.fr"]}, "c9"),
        ({"users": ["U7", "U8"]}, "c7 c8"),
        ({"groups": ["Lille-Centre"]}, "c9"),
        ({"groups": ["G2"]}, "c7 c9"),
        ({"groups": ["Région Nord"]}, "c20 c2 c4 c5 c7 c9 c10"),
        ({"groups": ["G3", "Lille"]}, "c7 c9"),
        ({"sessions": ["S10"]}, "c4 c6"),
        # Two sessions have this name.
        ({"sessions": ["Bureautique, automne"]}, "c20 c2 c4 c5 c6 c7 c9 c10"),
        ({"sessions": ["@distance", "S10"]}, "c4 c6 c8"),
        ({"groups": ["G2"], "sessions": ["S9"], "date_from": "2026-10-01"}, "c9"),
        ({"users": ["U99", "U100"], "sessions": ["S10"]}, "c4 c6"),
    ],
)
def test_filters_keep_the_lines_they_name(export: Export, filters: dict[str, object], kept: str) -> None:
    text = export(**filters)

    assert {name for name, line in LINES.items() if line in text} == set(kept.split())


@pytest.mark.parametrize(
    ("wanted", "headers"),
    [
        (["Site"], "Email;Site;Site;Additional information"),
        (["CF6", "CF4"], "Email;Entrée;Site;Additional information"),
        (["Email"], "Email;Email;Additional information"),
        ([], 'Email;\'=1+1;"Dossier ""n°""; suite";Email;Entrée;Site;Site;Additional information'),
    ],
)
def test_custom_fields_choose_the_columns(export: Export, wanted: list[str], headers: str) -> None:
    assert export(custom_fields=wanted).startswith(f"\ufeffLast name;First name;{headers};")


@pytest.mark.parametrize(
    ("filters", "complaint"),
    [
        (
            {"users": ["zoé@exemple.fr"]},
            'No user "zoé@exemple.fr" in the warehouse. Nearest: "zoe@exemple.fr", ',
        ),
        # Ids are case-sensitive; the nearest is found in any case.
        ({"users": ["u99"]}, 'No user "u99" in the warehouse. Nearest: "U99", "U9", "U10".'),
        (
            {"groups": ["lille"]},
            'No group "lille" in the warehouse. Nearest: "Lille", "G1", "G2".',
        ),
        (
            {"sessions": ["S99"]},
            'No session "S99" in the warehouse. Nearest: "S9", "S10", "+33".',
        ),
        (
            {"custom_fields": ["site"]},
            'No custom field "site" in the warehouse. Nearest: "Site", "=1+1", "CF1".',
        ),
    ],
)
def test_a_value_that_matches_nothing_is_named_with_the_nearest(
    published: Path, tmp_path: Path, filters: dict[str, object], complaint: str
) -> None:
    with pytest.raises(UserError) as raised:
        write_export(published, tmp_path / "export.csv", ExportFilters.model_validate(filters), ExportOptions())

    assert str(raised.value).startswith(complaint)
    assert list(tmp_path.iterdir()) == []


def test_all_unknown_values_are_told_at_once_up_to_ten(published: Path, tmp_path: Path) -> None:
    filters = ExportFilters(users=("Nobody",), sessions=tuple(f"none {number}" for number in range(12)))

    with pytest.raises(UserError) as raised:
        write_export(published, tmp_path / "export.csv", filters, ExportOptions())

    lines = str(raised.value).splitlines()
    assert len(lines) == 11
    assert lines[0].startswith('No user "Nobody"')
    assert lines[-1] == "… and 3 more values that match nothing."


def test_dates_the_wrong_way_round() -> None:
    with pytest.raises(UserError, match=r"last day \(2026-01-01\) is before its first \(2026-01-02\)"):
        ExportFilters.model_validate({"date_from": "2026-01-02", "date_to": "2026-01-01"})


def test_a_blank_value() -> None:
    with pytest.raises(UserError, match="blank group"):
        ExportFilters(groups=("  ",))


def test_an_unknown_filter() -> None:
    with pytest.raises(ValidationError, match="courses"):
        ExportFilters.model_validate({"courses": ["Excel"]})
