"""Exports of connections as 360Learning and `opco export` make them, with invented people."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

ENGLISH = (
    ("Last name", "First name", "Email"),
    (
        *("Additional information", "Labels", "Session", "Session ID", "Program template", "Program template ID"),
        *("Course", "Connected", "Disconnected", "Time spent"),
    ),
)
FRENCH = (
    ("Nom", "Prénom", "E-mail"),
    (
        *("Informations complémentaires", "Étiquettes", "Session", "ID de session", "Modèle de programme"),
        *("ID du modèle de programme", "Cours", "Connecté le", "Déconnecté le", "Temps passé"),
    ),
)
ZOE = ("Lambert", "Zoé", "Zoe.Lambert@exemple.fr")
KARIM = ("Benali", "Karim", "karim@exemple.fr")


def stay(
    connected: str,
    disconnected: str = "",
    spent: str = "",
    *,
    who: tuple[str, str, str] = ZOE,
    fields: Sequence[str] = (),
    information: str = "",
    labels: str = "",
    session: tuple[str, str] = ("Excel, octobre", "S-1"),
    template: tuple[str, str] = ("Excel", "T-1"),
    course: str = "Formules",
) -> tuple[str, ...]:
    return (*who, *fields, information, labels, *session, *template, course, connected, disconnected, spent)


def write_export(
    folder: Path,
    *lines: Sequence[str],
    name: str = "export.csv",
    headings: tuple[Sequence[str], Sequence[str]] = ENGLISH,
    fields: Sequence[str] = (),
    delimiter: str = ";",
    encoding: str = "utf-8-sig",
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerows([(*headings[0], *fields, *headings[1]), *lines])
    (folder / name).write_text(text.getvalue(), encoding=encoding, newline="")
    return folder / name
