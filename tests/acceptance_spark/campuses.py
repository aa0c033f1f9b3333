"""Homes that DuckDB has built in full and Spark builds again: real, demo and hostile ones, with settings varied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.commands import CAMPUS, run_opco
from tests.properties.built import RawFolder, write_raw_folder
from tests.properties.campuses import assisted_campuses
from tests.properties.folders import raw_folders, retold
from warehouse.project import PROJECT_DIR

Sections = Mapping[str, Mapping[str, object]]

AS_OF = ("2026-11-18T22:00:00Z", "2026-11-19T22:00:00Z", "2026-11-20T08:25:00Z")
# Titles that fold, quote, escape or collide, and letters of which two engines may think otherwise.
TITLES = (
    "Σας", "ΣΑΣ", "σας", "İl", "il", "ı", "ß", "ẞ", "Équipe", "equipe", "Ecole", "école", "user_id", "USER_ID", "a\\b",
    "a'b", 'a"b', "a`b", "a b", "*", "%s", "rowid", "label\nline", "\u00a0x ", "ﬁ", "ǅ", "𐐀", "e\u0301cole", "가",
    "x;y,{}=()",
)  # fmt: skip
LABELS = ("Été", "ete", "ETE", "ÉTÉ", "œuvre", "Zoé", "ą", "a", "İ", "i", "\\n", "O'Neil")


def homes() -> dict[str, tuple[Sections, Sequence[RawFolder | Path]]]:
    """Return by name the settings, by section, and the deliveries of each home."""
    drawn, program = _richest(raw_folders(), 5), _richest(assisted_campuses(), 2)
    strict = {
        "inactivity_timeout_minutes": 5,
        "max_connection_minutes": 12,
        "long_connection_minutes": 10,
        "raw_timezone": "Europe/Paris",
        "display_timezone": "America/Cayenne",
    }
    everywhere = {"raw_timezone": "Australia/Lord_Howe", "display_timezone": "Asia/Kathmandu"}
    return {
        "campus": ({}, [CAMPUS / "2026-11-05", CAMPUS / "2026-11-20"]),
        "demo": ({}, [PROJECT_DIR / "demo" / "raw"]),
        "drawn": ({}, [drawn[0]]),
        "strict": ({"rules": strict, "identities": {"by_email": True}}, [drawn[1]]),
        "retold": ({"rules": everywhere}, retold(drawn[2], drawn[3], Random(1))[:3]),
        "credited": (
            {
                "credit": {"partial": "pro_rata", "cap_at_program": True, "without_duration": "zero"},
                "calendar": {"territory": "alsace_moselle"},
                "follow_up": {"silence_days": 3},
            },
            [program[0], program[1]],
        ),
        "titled": ({"rules": {"raw_timezone": "America/New_York"}}, [titled(drawn[4])]),
    }


def titled(folder: RawFolder) -> RawFolder:
    """Return the delivery with custom fields of odd titles, labels, and groups of which some lie within each other."""
    learner = folder["users.csv"][0]["user_id"]
    fields = [
        {"custom_field_id": f"f{number}", "title": title, "value_type": ("string", "date", "number")[number % 3]}
        for number, title in enumerate(TITLES)
    ]
    values = ("12,5", "2026-10-25", "2026-10-25T02:30:00", "0001-01-01", "-7", "a\\b'c", "9" * 20)
    return {
        **folder,
        "custom_fields.csv": fields,
        "user_custom_field_values.csv": [
            {"user_id": learner, "custom_field_id": field["custom_field_id"], "value": values[number % len(values)]}
            for number, field in enumerate(fields)
        ],
        "user_labels.csv": [{"user_id": learner, "label": label} for label in LABELS],
        "groups.csv": [
            {"group_id": group, "name": group.upper(), "parent_group_id": parent}
            for group, parent in zip("abcdefg", ("b", "c", "a", "a", "e", "nowhere", ""), strict=True)
        ],
        "group_members.csv": [
            {"group_id": group, "user_id": learner, "role": "coach" if group == "a" else ""} for group in "adg"
        ],
    }  # fmt: skip


def built_home(folder: Path, chosen: Sections, deliveries: Sequence[RawFolder | Path]) -> Path:
    """Build the deliveries one after the other in an empty folder, the last in full, and return the home."""
    home = folder / "home"
    home.mkdir(parents=True)
    (home / "opco.toml").write_text(
        "".join(
            f"[{section}]\n" + "".join(f"{name} = {_toml(value)}\n" for name, value in values.items())
            for section, values in chosen.items()
        ),
        encoding="utf-8",
    )
    for number, delivery in enumerate(deliveries):
        raw = delivery if isinstance(delivery, Path) else folder / f"raw-{number}"
        if not isinstance(delivery, Path):
            write_raw_folder(delivery, raw)
        in_full = ["--full-refresh"] if number == len(deliveries) - 1 else []
        finished = run_opco("build", "--raw", raw, "--as-of", AS_OF[number], *in_full, home=home)
        assert finished.returncode == 0, finished.stderr
    return home


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _richest(folders: st.SearchStrategy[RawFolder], count: int) -> list[RawFolder]:
    """Return of forty drawn folders, the same each time, those with the most rows."""
    found: list[RawFolder] = []

    @settings(
        max_examples=40,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(folders)
    def draw(folder: RawFolder) -> None:
        found.append(folder)

    draw()
    return sorted(found, key=lambda folder: sum(map(len, folder.values())), reverse=True)[:count]
