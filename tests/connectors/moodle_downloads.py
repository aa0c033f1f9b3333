"""Downloads as Moodle makes them, with invented people."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

ENGLISH = (
    *("Time", "User full name", "Affected user", "Event context", "Component", "Event name"),
    *("Description", "Origin", "IP address"),
)
FRENCH = (
    *("Heure", "Nom complet de l’utilisateur", "Utilisateur touché", "Contexte de l’événement", "Composant"),
    *("Nom de l’événement", "Description", "Origine", "Adresse IP"),
)
ZOE = ("Zoé", "Lambert", "Zoe.Lambert@exemple.fr")
KARIM = ("Karim", "Benali", "karim@exemple.fr")
PAUL = ("Paul", "Prost", "paul@exemple.fr")


def line(
    time: str,
    actor: str = "Zoé Lambert",
    user_id: int = 12,
    *,
    affected: str = "-",
    description: str = "The user with id '{}' viewed the 'page' activity with course module id '41'.",
    origin: str = "web",
) -> tuple[str, ...]:
    return (
        *(time, actor, affected, "Page: Les formules", "Page", "Course module viewed"),
        *(description.format(user_id), origin, "192.0.2.7"),
    )


def csv_text(rows: Iterable[Sequence[str]], delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_log(
    folder: Path,
    *lines: Sequence[str],
    name: str = "logs_EXCEL-1_20261105-0930.csv",
    headings: Sequence[str] = ENGLISH,
    encoding: str = "utf-8",
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(csv_text((headings, *lines)), encoding=encoding, newline="")


def write_participants(folder: Path, *people: tuple[str, str, str], name: str = "courseid_7_participants.csv") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [("First name", "Last name", "Email address", "Groups"), *((*person, "") for person in people)]
    (folder / name).write_text(csv_text(rows), encoding="utf-8")
