"""Writes the demo campus: the raw tables of a French training organisation that does not exist.

    python demo/generate.py [--output FOLDER]

The same code gives the same files. `README.md` beside this file says which learner shows what.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
import re
import shutil
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

SEED = 20260914
OWN_FOLDER = Path(__file__).resolve().parent / "raw"
# The platform handed its tables over at this instant; nothing real is later.
DELIVERED_AT = datetime(2026, 11, 10, 17, 30, tzinfo=UTC)
# Summer time ended in Paris at this instant. The campus lives from May to November: one change is enough.
WINTER_TIME_AT = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
SUMMER_OFFSET = timedelta(hours=2)
WINTER_OFFSET = timedelta(hours=1)

Cell = str | int | float | bool | None
Row = Mapping[str, Cell]


# --- The catalogue ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Course:
    """A course, and whether the platform logs its connections itself (else it leaves events)."""

    course_id: str
    name: str
    course_type: str
    planned_seconds: int | None
    has_native_log: bool


COURSES = (
    Course("C-MGT-1", "Animer une équipe à distance", "parcours", 12600, True),
    Course("C-MGT-2", "Conduire l'entretien professionnel", "parcours", 10800, True),
    Course("C-COM", "Écrire pour être lu : messages, comptes rendus, consignes", "scorm", 9000, False),
    Course("C-CYB-1", "Reconnaître l'hameçonnage", "parcours", 5400, True),
    Course("C-CYB-2", "RGPD : les données de mes clients", "scorm", 7200, False),
    Course("C-XLS-1", "Tableaux croisés dynamiques", "parcours", 9000, True),
    Course("C-XLS-2", "Des graphiques qui parlent", "scorm", 10800, False),
    Course("C-XLS-3", 'Automatiser : les macros "pas à pas"', "scorm", 5400, False),
    Course("C-LIB", "Prise en main de la plateforme", "parcours", 1200, True),
    Course("C-SITE", "Espace apprenant", "site", None, False),
)
COURSE_BY_ID = {course.course_id: course for course in COURSES}

ASSESSMENTS = (
    ("A-MGT-1", "Quiz : les rituels d'une équipe à distance", "formative", 1200),
    ("A-MGT-2", "Évaluation finale : manager à distance", "final", 2700),
    ("A-CYB-1", "Évaluation finale : sécurité et données personnelles", "final", 1800),
    ("A-XLS-1", "Étude de cas : le tableau de bord", "final", 3600),
)

# What passed between learners and tutors: asked, answered, and a reminder that nobody wrote.
INTERACTIONS = tuple(
    (f"T-{number:03}", f"S-2026-{session}", user_id, tutor, kind, asked, answered, channel, automated)
    for number, (session, user_id, tutor, kind, asked, answered, channel, automated) in enumerate(
        (
            (
                "MGMT-09",
                "u-1001",
                "u-0002",
                "message",
                "2026-09-15T09:12:00Z",
                "2026-09-15T15:40:00Z",
                "lms",
                False,
            ),
            ("MGMT-09", "u-1001", "u-0002", "grading", None, "2026-10-28T08:05:00Z", "lms", False),
            (
                "MGMT-09",
                "u-1003",
                "u-0003",
                "forum",
                "2026-09-21T20:31:00Z",
                "2026-09-24T07:50:00Z",
                "lms",
                False,
            ),
            (
                "MGMT-09",
                "u-1004",
                "u-0002",
                "message",
                "2026-10-06T18:22:00Z",
                "2026-10-07T06:58:00Z",
                "lms",
                False,
            ),
            ("MGMT-09", "u-1009", None, "message", None, "2026-10-05T06:00:00Z", "mail", True),
            ("MGMT-09", "u-1011", "u-0003", "feedback", None, "2026-10-20T12:15:00Z", "lms", False),
            (
                "MGMT-09",
                "u-1012",
                "u-0002",
                "phone",
                "2026-10-13T09:30:00Z",
                "2026-10-13T13:10:00Z",
                "phone",
                False,
            ),
            ("MGMT-10", "u-1021", "u-0002", "message", "2026-10-30T11:00:00Z", None, "lms", False),
            ("MGMT-10", "u-1021", None, "message", None, "2026-11-09T06:00:00Z", "mail", True),
        ),
        start=1,
    )
)

TEMPLATES = (
    (
        "T-MGMT",
        "Manager une équipe à distance",
        "Organiser le travail d'une équipe dispersée.\nConduire un entretien.\nÉcrire des messages clairs.",
        37800,
    ),
    ("T-XLS", "Tableur : analyser et présenter ses données", "Croiser des données ; choisir le bon graphique.", 28800),
    ("T-CYB", "Cybersécurité et RGPD au quotidien", None, 21600),
)

STEPS: tuple[tuple[str, int, str, str | None, bool, int | None], ...] = (
    ("T-MGMT", 1, "course", "C-MGT-1", False, None),
    ("T-MGMT", 2, "assessment", "A-MGT-1", False, 70),
    ("T-MGMT", 3, "course", "C-MGT-2", False, None),
    ("T-MGMT", 4, "classroom", None, False, None),
    ("T-MGMT", 5, "course", "C-COM", False, None),
    ("T-MGMT", 6, "assessment", "A-MGT-2", False, 70),
    ("T-XLS", 1, "course", "C-XLS-1", False, None),
    ("T-XLS", 2, "course", "C-XLS-2", False, None),
    ("T-XLS", 3, "assessment", "A-XLS-1", False, 60),
    ("T-XLS", 4, "course", "C-XLS-3", True, None),
    ("T-CYB", 1, "course", "C-CYB-1", False, None),
    ("T-CYB", 2, "course", "C-CYB-2", False, None),
    ("T-CYB", 3, "course", "C-COM", False, None),
    ("T-CYB", 4, "assessment", "A-CYB-1", False, 75),
)


@dataclass(frozen=True)
class Session:
    """A program session; its days are local, both included."""

    session_id: str
    template_id: str
    name: str
    first_day: date
    last_day: date
    instructor_ids: tuple[str, ...]


SESSIONS = (
    Session("S-2026-XLS-06", "T-XLS", "Tableur, juin 2026", date(2026, 6, 1), date(2026, 7, 17), ("u-0003",)),
    Session(
        "S-2026-MGMT-09",
        "T-MGMT",
        "Manager à distance, septembre 2026",
        date(2026, 9, 14),
        date(2026, 10, 30),
        ("u-0002", "u-0003"),
    ),
    Session(
        "S-2026-CYB-09",
        "T-CYB",
        "Cybersécurité et RGPD, automne 2026",
        date(2026, 9, 28),
        date(2026, 11, 13),
        ("u-0004",),
    ),
    Session("S-2026-XLS-10", "T-XLS", "Tableur, octobre 2026", date(2026, 10, 5), date(2026, 11, 27), ("u-0003",)),
    Session(
        "S-2026-MGMT-10",
        "T-MGMT",
        "Manager à distance, octobre 2026",
        date(2026, 10, 12),
        date(2026, 12, 11),
        ("u-0002",),
    ),
)


# --- The people ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Company:
    """A customer. The SIRETs fail their check digit, so that they are nobody's."""

    name: str
    siret: str
    opco: str
    group_id: str
    domain: str


COMPANIES = (
    Company("Menuiserie L'Établi", "90000000100012", "Constructys", "g-111", "letabli.example"),
    Company("Transports Vauquelin", "90000000200010", "OPCO Mobilités", "g-112", "vauquelin.example"),
    Company('Hôtel "Le Grand Large"', "90000000300018", "Akto", "g-121", "grandlarge.example"),
    Company("Cabinet Ardoise & Associés", "90000000400016", "OPCO EP", "g-122", "ardoise.example"),
    Company("Clinique des Tilleuls", "90000000500013", "OPCO Santé", "g-123", "tilleuls.example"),
    Company("SCOP Fourmilière; études, conseil", "90000000600011", "Atlas", "g-124", "fourmiliere.example"),
)

GROUPS = (
    ("g-1", "Clients", None),
    ("g-11", "Industrie et transport", "g-1"),
    ("g-111", "Menuiserie L'Établi", "g-11"),
    ("g-112", "Transports Vauquelin", "g-11"),
    ("g-12", "Services", "g-1"),
    ("g-121", "Hôtel Le Grand Large", "g-12"),
    ("g-122", "Cabinet Ardoise & Associés", "g-12"),
    ("g-123", "Clinique des Tilleuls", "g-12"),
    ("g-124", "Fourmilière", "g-12"),
    ("g-2", "Équipe pédagogique", None),
)

STAFF = (
    ("u-0001", "Solène", "Kerbrat", "admin"),
    ("u-0002", "Benoît", "Chastagnier", "coach"),
    ("u-0003", "Awa", "N'Diaye", "coach"),
    ("u-0004", "Tomasz", "Wiśniewski", "coach"),
)

# (user_id, first name, last name, company, job title)
LEARNERS: tuple[tuple[str, str | None, str | None, int, str], ...] = (
    ("u-1001", "Marie-Hélène", "Lefèvre", 3, "Cheffe de service"),
    ("u-1002", "Aurélien", "de La Brosse", 0, "Chef d'atelier"),
    ("u-1003", "Thị Minh Châu", "Nguyễn", 4, 'Cadre de santé "pôle 2"; nuit'),
    ("u-1004", "Siobhán", "O'Brien", 2, "Gouvernante générale"),
    ("u-1005", "Inès", "D'Angelo", 2, "Responsable d'hébergement"),
    ("u-1006", "ياسمين", "بن عمر", 4, "Infirmière coordinatrice"),
    ("u-1007", "Étienne", "Çelik", 1, "Chef de quai"),
    ("u-1008", "Zoé", "Müller-Haas", 5, "Cheffe de projet"),
    ("u-1009", "Bastien", "Roux", 1, "Exploitant"),
    ("u-1010", "Camille", "Perrin", 3, "Assistant principal"),
    ("u-1011", "Fatoumata", "Diallo", 4, "Responsable qualité"),
    ("u-1012", "Gaël", "Le Goff", 1, "Responsable d'agence"),
    ("u-1013", "Lucie", "Marchand", 0, "Conductrice de travaux"),
    ("u-1014", "Karim", "Benhaddou", 5, "Consultant"),
    ("u-1015", "Anne-Sophie", "Delacroix-Petit", 3, "Collaboratrice confirmée"),
    ("u-1016", "Loïc", "Le Bihan", 1, "Chef de parc"),
    ("u-1017", "María José", "Fernández Ruiz", 2, "Maîtresse d'hôtel"),
    ("u-1018", "Jean-Baptiste", "L'Hermitte", 0, "Métreur"),
    ("u-1019", "Nadège", "Saint-Aubin", 4, "Secrétaire médicale"),
    ("u-1020", "Joël", "Grosjean", 1, "Affréteur"),
    ("u-1021", "Oksana", "Kovalenko", 5, "Chargée d'études"),
    ("u-1022", "Thomas", "van der Meer", 5, "Consultant"),
    ("u-1023", "Françoise", "Bœuf", 3, "Comptable"),
    ("u-1024", "Mickaël", "Jégou", 1, "Contrôleur de gestion"),
    ("u-1025", None, None, 2, ""),
    ("u-1026", "Priya", "Ramanathan", 5, "Analyste"),
    ("u-1027", "Hugo", "Lemaître", 0, "Technicien méthodes"),
    ("u-1028", "Sébastien", "Du Plessis", 3, "Réviseur"),
    ("u-1029", "Élodie", "Garnier", 4, "Gestionnaire de planning"),
    ("u-1030", "Øyvind", "Håkonsen", 5, "Analyste"),
    ("u-1031", "Chloé", "Antunes da Silva", 2, "Revenue manager"),
    ("u-1032", "Rémi", "Cœurderoy", 0, "Dessinateur"),
    ("u-1033", "Aïssatou", "Bâ", 4, "Adjointe administrative"),
    ("u-1034", "Léa", "Martin", 3, "Assistante comptable"),
    ("u-1035", "Léa", "Martin", 1, "Assistante d'exploitation"),
    ("u-1036", "Maxime", "Thévenot", 1, "Contrôleur de gestion"),
    ("u-1037", "Jiří", "Dvořák", 5, "Développeur"),
    ("u-1038", "Noémie", "Haddad", 2, "Réceptionniste"),
    ("u-1039", "Paul", "Vidal", 3, "Juriste"),
    ("u-1040", "Rose", "Okafor", 4, "Pharmacienne"),
    ("u-1041", "Yann", "Morvan", 0, "Menuisier"),
)

ADDITIONAL_INFORMATION = {
    "u-1001": "Référente du groupe.",
    "u-1003": 'Aménagement : travail de nuit, pauses longues.\nA écrit le 30/09 : "la session est restée ouverte".',
    "u-1006": "Prénom et nom en arabe, à la demande de l'apprenante.",
    "u-1013": "Première inscription annulée (changement de poste) ;\nréinscrite le 14/09.",
    "u-1034": "Ne pas confondre avec Léa Martin (Transports Vauquelin).",
}

# Who pays his own training, by another funder than his company's.
SELF_EMPLOYED = "u-1022"
CUSTOM_FIELDS = (
    ("cf-01", "SIRET", "string"),
    ("cf-02", "Entreprise", "string"),
    ("cf-03", "OPCO", "string"),
    ("cf-04", "N° de dossier", "string"),
    ("cf-05", "Date d'entrée", "date"),
    ("cf-06", 'Intitulé "officiel" du poste; service', "string"),
    ("cf-07", "Site", "string"),
    ("cf-08", "site", "string"),
    ("cf-09", "Téléphone", "string"),
    ("cf-10", "Code analytique", "string"),
)

LABELS = {
    "u-1001": ("Tutrice", "Promo automne 2026"),
    "u-1002": ("Promo automne 2026",),
    "u-1003": ("Travail de nuit", "Promo automne 2026"),
    "u-1004": ("Promo automne 2026", "étape 1 validée", "Élargissement de poste"),
    "u-1009": ("À relancer",),
    "u-1013": ("Réinscription", "Promo automne 2026"),
    "u-1014": ("Double parcours",),
    "u-1022": ("Mobile", "À relancer"),
    "u-1034": ("Homonyme",),
    "u-1035": ("Homonyme",),
}

# How much of a session's planned time each learner spends: 1 is all of it.
DILIGENCE: dict[str, dict[str, float]] = {
    "S-2026-MGMT-09": {
        "u-1001": 1.12,
        "u-1002": 0.94,
        "u-1003": 0.9,
        "u-1004": 1.0,
        "u-1005": 0.55,
        "u-1006": 0.85,
        "u-1007": 1.05,
        "u-1008": 0.72,
        "u-1009": 0.0,
        "u-1010": 0.35,
        "u-1011": 0.97,
        "u-1012": 0.93,
        "u-1013": 1.2,
        "u-1014": 0.68,
    },
    "S-2026-MGMT-10": {
        "u-1015": 0.62,
        "u-1016": 0.4,
        "u-1017": 0.7,
        "u-1018": 0.3,
        "u-1019": 0.55,
        "u-1020": 0.0,
        "u-1021": 0.8,
        "u-1022": 0.85,
    },
    "S-2026-XLS-06": {
        "u-1023": 1.0,
        "u-1024": 0.95,
        "u-1025": 0.6,
        "u-1026": 1.1,
        "u-1027": 0.8,
        "u-1028": 0.92,
        "u-1029": 0.4,
        "u-1030": 1.0,
    },
    "S-2026-XLS-10": {
        "u-1028": 0.25,
        "u-1029": 0.7,
        "u-1031": 0.6,
        "u-1032": 0.5,
        "u-1033": 0.75,
        "u-1034": 0.65,
        "u-1035": 0.35,
        "u-1036": 0.9,
    },
    "S-2026-CYB-09": {
        "u-1012": 0.5,
        "u-1014": 0.6,
        "u-1031": 0.7,
        "u-1037": 1.0,
        "u-1038": 0.45,
        "u-1039": 0.95,
        "u-1040": 0.6,
        "u-1041": 0.0,
    },
}

# They follow the session though the platform holds no enrolment of theirs.
NOT_ENROLLED = {("S-2026-CYB-09", "u-1040")}
# Their mobile application marks every start, and most ends.
MOBILE_USERS = {"u-1011", "u-1022", "u-1033"}
WEEKEND_USERS = {"u-1002", "u-1036"}
NIGHT_USERS = {"u-1003", "u-1029"}


# --- The log ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Connection:
    """A connection that the platform logged; `cells` replaces what the file says, for rows that are wrong."""

    user_id: str
    session_id: str
    course_id: str
    connected_at: datetime
    disconnected_at: datetime | None
    end_reason: str | None = "left"
    evidence_level: str | None = None
    cells: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Event:
    """A learning event; `cells` replaces what the file says, for rows that are wrong."""

    user_id: str
    session_id: str | None
    course_id: str
    verb: str
    occurred_at: datetime
    attempt_id: str | None = None
    cells: tuple[tuple[str, str], ...] = ()


@dataclass
class Log:
    """All that learners left on the platform."""

    connections: list[Connection] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)


def instant(text: str) -> datetime:
    """Read `YYYY-MM-DDTHH:MM:SS[.fff]Z`."""
    return datetime.fromisoformat(text)


def in_paris(day: date, seconds: int) -> datetime:
    """Return the UTC instant at which clocks in Paris show so many seconds after midnight of a day."""
    shown = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)
    summer = shown - SUMMER_OFFSET
    return summer if summer < WINTER_TIME_AT else shown - WINTER_OFFSET


def stay(
    user_id: str, session_id: str, course_id: str, connected_at: str, disconnected_at: str | None, **more: str
) -> Connection:
    """Return a logged connection with its instants written out."""
    return Connection(
        user_id,
        session_id,
        course_id,
        instant(connected_at),
        None if disconnected_at is None else instant(disconnected_at),
        more.get("end_reason", "left"),
        more.get("evidence_level"),
    )


def trail(
    user_id: str, session_id: str, course_id: str, day: str, marks: str, attempt_id: str | None = None
) -> list[Event]:
    """Return the events of one day, written as `HH:MM:SS verb, …`; a verb in brackets is outside any session."""
    events = []
    for mark in marks.split(", "):
        time, verb = mark.split(" ")
        if verb == "(active)":
            events.append(Event(user_id, None, "C-SITE", "active", instant(f"{day}T{time}Z")))
        else:
            events.append(Event(user_id, session_id, course_id, verb, instant(f"{day}T{time}Z"), attempt_id))
    return events


MGMT = "S-2026-MGMT-09"

STILL_CONNECTED = stay("u-1021", "S-2026-MGMT-10", "C-LIB", "2026-10-31T10:40:00Z", None, end_reason="")

# The cast: what README.md lists, instant by instant.
CAST_CONNECTIONS = (
    # A course outside the program.
    stay("u-1001", MGMT, "C-LIB", "2026-09-14T07:02:10Z", "2026-09-14T07:19:40Z", end_reason="completed"),
    # Zero seconds.
    stay("u-1002", MGMT, "C-MGT-1", "2026-09-17T06:45:12Z", "2026-09-17T06:45:12Z", end_reason="abandoned"),
    # Nine hours.
    stay("u-1003", MGMT, "C-MGT-1", "2026-09-29T07:02:11Z", "2026-09-29T16:14:47Z", end_reason="timeout"),
    # Two devices at once.
    stay("u-1004", MGMT, "C-MGT-1", "2026-10-06T17:00:00Z", "2026-10-06T17:45:00Z"),
    stay("u-1004", MGMT, "C-MGT-2", "2026-10-06T17:30:00Z", "2026-10-06T18:10:20Z"),
    # Never closed.
    stay("u-1005", MGMT, "C-MGT-2", "2026-10-20T12:00:00Z", None, end_reason=""),
    # The night of the change of clocks.
    stay("u-1006", MGMT, "C-MGT-2", "2026-10-24T23:40:00Z", "2026-10-25T00:20:00Z"),
    stay("u-1006", MGMT, "C-MGT-2", "2026-10-25T01:20:00Z", "2026-10-25T01:50:00Z"),
    # Across midnight.
    stay("u-1007", MGMT, "C-MGT-1", "2026-10-15T21:30:20Z", "2026-10-15T22:25:05Z"),
    # Before the session, and after it.
    stay("u-1008", MGMT, "C-MGT-1", "2026-09-12T09:00:00Z", "2026-09-12T09:20:00Z"),
    stay("u-1008", MGMT, "C-MGT-2", "2026-11-02T17:05:00Z", "2026-11-02T17:35:00Z"),
    # Only the span of an attempt is known.
    stay(
        "u-1013",
        MGMT,
        "C-MGT-1",
        "2026-09-22T13:00:00Z",
        "2026-09-22T14:35:00Z",
        end_reason="unknown",
        evidence_level="attempt_span",
    ),
    # One learner, two sessions, one course, at one time.
    stay("u-1014", "S-2026-CYB-09", "C-COM", "2026-10-08T12:00:00Z", "2026-10-08T12:50:00Z"),
    stay("u-1014", MGMT, "C-COM", "2026-10-08T12:30:00Z", "2026-10-08T13:05:30Z"),
    # The same connection twice under two ids: the closed one stays.
    stay("u-1007", MGMT, "C-MGT-2", "2026-10-21T08:00:00Z", None, end_reason=""),
    stay("u-1007", MGMT, "C-MGT-2", "2026-10-21T08:00:00Z", "2026-10-21T08:32:30Z"),
    # Still connected when October was handed over: the file of November brings the end.
    STILL_CONNECTED,
    # After the end of the enrolment.
    stay("u-1028", "S-2026-XLS-10", "C-XLS-1", "2026-10-27T08:10:00Z", "2026-10-27T08:31:00Z"),
)

CAST_EVENTS = (
    # The hour that repeats: 02:31 to 02:15.
    *trail(
        "u-1006",
        MGMT,
        "C-COM",
        "2026-10-25",
        "00:31:00 active, 00:42:00 active, 00:53:00 active, 01:04:00 active, 01:15:30 disconnected",
    ),
    # Fifteen minutes are in, one second more is not; a page of the site ends the second run.
    *trail(
        "u-1012",
        MGMT,
        "C-COM",
        "2026-10-13",
        "08:00:00 active, 08:10:00 active, 08:25:00 active, 08:40:01 active, 08:50:01 active, 08:58:00 (active), "
        "09:04:00 active, 09:09:30 disconnected",
    ),
    # Another course within the timeout.
    *trail("u-1012", MGMT, "C-COM", "2026-10-16", "12:05:00 active, 12:13:00 active"),
    *trail(
        "u-1012", "S-2026-CYB-09", "C-CYB-2", "2026-10-16", "12:20:30 active, 12:31:00 active, 12:40:00 disconnected"
    ),
    # Marked events: an end, an event after it, a start that no end follows, a completion, a lone start.
    *trail(
        "u-1011",
        MGMT,
        "C-COM",
        "2026-10-01",
        "18:00:00 connected, 18:07:00 active, 18:29:00 active, 18:41:15 disconnected, 18:43:00 active, "
        "19:00:00 connected, 19:12:30 active, 19:20:00 connected, 19:31:05 completed, 19:40:00 connected",
        "at-mobile-1011",
    ),
)

CAST_ATTEMPTS: tuple[Row, ...] = (
    {
        "attempt_id": "at-guide-1001",
        "user_id": "u-1001",
        "course_id": "C-LIB",
        "session_id": MGMT,
        "first_activity_at": "2026-09-14T07:02:10Z",
        "last_activity_at": "2026-09-14T07:19:40Z",
        "completed_at": "2026-09-14T07:19:40Z",
        "time_spent_seconds": 1050,
        "progress_pct": 100,
        "score_pct": None,
    },
    {
        "attempt_id": "at-mobile-1011",
        "user_id": "u-1011",
        "course_id": "C-COM",
        "session_id": MGMT,
        "first_activity_at": "2026-10-01T18:00:00Z",
        "last_activity_at": "2026-10-01T19:40:00Z",
        "completed_at": "2026-10-01T19:31:05Z",
        "time_spent_seconds": 3890,
        "progress_pct": 100,
        "score_pct": 75,
    },
)

# Rows that are wrong, as real deliveries have them. The instant says beside which rows they stand.
WRONG_CONNECTIONS = (
    Connection("u-9001", MGMT, "C-MGT-1", instant("2026-10-02T09:12:00Z"), instant("2026-10-02T09:30:00Z")),
    Connection(
        "u-1016",
        "S-2026-MGMT-10",
        "C-MGT-1",
        instant("2026-10-13T12:05:00Z"),
        instant("2026-10-13T12:31:00Z"),
        cells=(("connected_at", "13/10/2026 14:05"),),
    ),
    Connection("u-1018", "S-2026-MGMT-10", "C-MGT-1", instant("2026-10-14T10:20:00Z"), instant("2026-10-14T09:50:00Z")),
    Connection(
        "u-1021",
        "S-2026-MGMT-10",
        "C-MGT-1",
        instant("2026-10-19T07:00:00Z"),
        instant("2026-10-19T07:00:00Z"),
        cells=(("connected_at", "1970-01-01T00:00:00Z"), ("disconnected_at", "1970-01-01T00:21:07Z")),
    ),
    Connection(
        "u-1017",
        "S-2026-MGMT-10",
        "C-MGT-1",
        instant("2026-10-20T17:00:00Z"),
        instant("2026-10-20T17:12:00Z"),
        cells=(("course_id", " "),),
    ),
    # An end reason of the platform's own: the row stays, its end is unknown.
    Connection(
        "u-1019",
        "S-2026-MGMT-10",
        "C-LIB",
        instant("2026-10-12T07:10:00Z"),
        instant("2026-10-12T07:24:30Z"),
        "tab_closed",
    ),
)

WRONG_EVENTS = (
    Event("u-1034", "S-2026-XLS-10", "C-XLS-0", "active", instant("2026-10-06T07:31:04.250Z")),
    Event("u-1034", "S-TEST", "C-XLS-2", "active", instant("2026-10-06T07:40:10.500Z")),
    Event("u-1032", "S-2026-XLS-10", "C-XLS-2", "paused", instant("2026-10-14T16:20:00Z")),
    # A tablet whose clock is wrong.
    Event(
        "u-1035",
        "S-2026-XLS-10",
        "C-XLS-2",
        "active",
        instant("2026-10-15T10:00:00Z"),
        cells=(("occurred_at", "2062-10-15T10:00:00.000Z"),),
    ),
)


class Dice:
    """Chance that is the same on every Python: `random()` is the only method whose sequence is promised."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 (nothing here is a secret)

    def between(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self._random.random() < probability


@dataclass
class Journey:
    """One learner on the way through one session: what is left to do, and what was done."""

    session: Session
    user_id: str
    diligence: float
    left_seconds: int
    budgets: dict[str, int]
    queue: list[Course]
    stays: dict[str, list[tuple[datetime, datetime]]]
    finished_at: dict[str, datetime] = field(default_factory=dict)


def learn(dice: Dice, log: Log, session: Session, user_id: str, diligence: float, taken_days: set[date]) -> None:
    """Let one learner follow the courses and assessments of a session, on days that are not taken yet."""
    courses = [
        COURSE_BY_ID[step[3]] for step in STEPS if step[0] == session.template_id and step[2] == "course" and step[3]
    ]
    # The diligent finish, at their own pace; the others stop on the way, and what comes after is never started.
    finishes = diligence >= 0.9
    pace = diligence if finishes else 1.0
    budgets = {c.course_id: int((c.planned_seconds or 0) * pace * dice.between(88, 108) / 100) for c in courses}
    total = sum(budgets.values())
    journey = Journey(
        session,
        user_id,
        diligence,
        total if finishes else int(total * diligence),
        budgets,
        list(courses),
        {c.course_id: cast_stays(session.session_id, user_id, c.course_id) for c in courses},
    )
    for day in free_days(dice, session, user_id, taken_days, visits=journey.left_seconds // 2300 + 2):
        visit(dice, log, journey, day)
    record_attempts(dice, log, journey)
    submit_assessments(dice, log, journey)


def cast_stays(session_id: str, user_id: str, course_id: str) -> list[tuple[datetime, datetime]]:
    """Return what the cast already has of one learner on one course, so that the attempt counts it too."""
    key = (user_id, session_id, course_id)
    stays = [
        (c.connected_at, c.disconnected_at)
        for c in CAST_CONNECTIONS
        if (c.user_id, c.session_id, c.course_id) == key and c.disconnected_at is not None
    ]
    days: dict[date, list[datetime]] = {}
    for e in CAST_EVENTS:
        if (e.user_id, e.session_id, e.course_id) == key and e.attempt_id is None:
            days.setdefault(e.occurred_at.date(), []).append(e.occurred_at)
    return stays + [(min(instants), max(instants)) for instants in days.values()]


def free_days(dice: Dice, session: Session, user_id: str, taken_days: set[date], visits: int) -> list[date]:
    """Choose the days of a learner's visits, in order, and take them."""
    last = min(session.last_day, DELIVERED_AT.date() - timedelta(days=1))
    days = [session.first_day + timedelta(days=n) for n in range((last - session.first_day).days + 1)]
    wanted = {5, 6} if user_id in WEEKEND_USERS else {0, 1, 2, 3, 4}
    free = [day for day in days if day not in taken_days and (day.weekday() in wanted or dice.chance(0.12))]
    while len(free) > visits:
        free.pop(dice.between(0, len(free) - 1))
    taken_days.update(free)
    return free


def visit(dice: Dice, log: Log, journey: Journey, day: date) -> None:
    """One visit to the platform: a few stays one after the other, until the time or the program is used up."""
    hours = (21, 22) if journey.user_id in NIGHT_USERS else (8, 9, 12, 13, 14, 17, 18, 20)
    hour = hours[dice.between(0, len(hours) - 1)]
    now = in_paris(day, hour * 3600 + dice.between(0, 3599))
    if journey.queue and dice.chance(0.35):
        log.events.append(
            Event(journey.user_id, None, "C-SITE", "active", now + timedelta(milliseconds=dice.between(0, 999)))
        )
        now += timedelta(seconds=dice.between(20, 200))
    left = dice.between(25, 80) * 60
    while left > 240 and journey.queue and journey.left_seconds > 0:
        # Now and then a look at the next course.
        course = journey.queue[1 if len(journey.queue) > 1 and dice.chance(0.1) else 0]
        budget = journey.budgets[course.course_id]
        seconds = min(dice.between(6, 34) * 60 + dice.between(0, 59), left, max(budget, 180))
        is_finished = budget - seconds < 180
        follow = native_stay if course.has_native_log else event_stay
        end = follow(dice, log, journey, course, now, seconds, is_finished)
        journey.stays[course.course_id].append((now, end))
        journey.budgets[course.course_id] -= seconds
        journey.left_seconds -= seconds
        left -= seconds
        if is_finished:
            journey.finished_at[course.course_id] = end
            journey.queue.remove(course)
        now = end.replace(microsecond=0) + timedelta(seconds=dice.between(15, 420))
        if dice.chance(0.1):
            # Back to the home page: the next course, if any, comes later.
            log.events.append(Event(journey.user_id, None, "C-SITE", "active", now))
            now += timedelta(seconds=dice.between(10, 90))


def native_stay(
    dice: Dice, log: Log, journey: Journey, course: Course, start: datetime, seconds: int, is_finished: bool
) -> datetime:
    """Log one connection; return its end."""
    end = start + timedelta(seconds=seconds)
    reason = "left"
    if is_finished:
        reason = "completed"
    elif dice.chance(0.12):
        reason = ("timeout", "abandoned", "unknown")[dice.between(0, 2)]
    log.connections.append(
        Connection(journey.user_id, journey.session.session_id, course.course_id, start, end, reason)
    )
    return end


def event_stay(
    dice: Dice, log: Log, journey: Journey, course: Course, start: datetime, seconds: int, is_finished: bool
) -> datetime:
    """Leave the events of one stay, with the pauses that people make; return the instant of the last."""
    is_marked = journey.user_id in MOBILE_USERS
    attempt_id = attempt_of(journey, course) if is_marked else None

    def leave(verb: str, at: datetime) -> None:
        log.events.append(Event(journey.user_id, journey.session.session_id, course.course_id, verb, at, attempt_id))

    now = start
    end = start + timedelta(seconds=seconds, milliseconds=dice.between(0, 999))
    leave("connected" if is_marked else "active", now)
    while True:
        pause = dice.between(16, 31) * 60 if dice.chance(0.03) else dice.between(60, 300)
        step = timedelta(seconds=pause, milliseconds=dice.between(0, 999))
        if now + step >= end:
            break
        now += step
        leave("active", now)
    if is_finished:
        leave("completed", end)
    elif dice.chance(0.85 if is_marked else 0.5):
        leave("disconnected", end)
    else:
        return now
    return end


def attempt_of(journey: Journey, course: Course) -> str:
    """Return the id of the learner's attempt at a course in this session."""
    return f"at-{journey.session.session_id}-{journey.user_id}-{course.course_id}"


def record_attempts(dice: Dice, log: Log, journey: Journey) -> None:
    """Write down the attempt of each course that was started."""
    for course_id, stays in journey.stays.items():
        if not stays:
            continue
        course = COURSE_BY_ID[course_id]
        spent = sum(int((end - start).total_seconds()) for start, end in stays)
        completed_at = journey.finished_at.get(course_id)
        is_scored = completed_at is not None and not course.has_native_log
        log.attempts.append(
            {
                "attempt_id": attempt_of(journey, course),
                "user_id": journey.user_id,
                "course_id": course_id,
                "session_id": journey.session.session_id,
                "first_activity_at": zulu(min(start for start, _ in stays)),
                "last_activity_at": zulu(max(end for _, end in stays)),
                "completed_at": zulu(completed_at) if completed_at else None,
                "time_spent_seconds": spent,
                "progress_pct": 100
                if completed_at
                else min(96, round(100 * spent / (course.planned_seconds or spent))),
                "score_pct": dice.between(13, 20) * 5 if is_scored else None,
            }
        )


def submit_assessments(dice: Dice, log: Log, journey: Journey) -> None:
    """Submit each assessment that finished courses open, until it is passed, three times at most."""
    before: list[str] = []
    for template_id, _, step_type, resource_id, is_optional, passing in STEPS:
        if template_id != journey.session.template_id or resource_id is None:
            continue
        if step_type == "course" and not is_optional:
            before.append(resource_id)
        if step_type != "assessment" or not all(course_id in journey.finished_at for course_id in before):
            continue
        at = max(journey.finished_at[course_id] for course_id in before).replace(microsecond=0)
        for attempt_number in (1, 2, 3):
            at += timedelta(seconds=dice.between(9, 24) * 60 + dice.between(0, 59))
            score = dice.between(110, 180) / 2 + 8 * attempt_number - 8 + (5 if journey.diligence > 1 else 0)
            score = min(score, 100.0)
            is_passed = score >= (passing or 0)
            log.results.append(
                {
                    "result_id": f"r-{journey.session.session_id}-{journey.user_id}-{resource_id}-{attempt_number}",
                    "user_id": journey.user_id,
                    "session_id": journey.session.session_id,
                    "assessment_id": resource_id,
                    "attempt_number": attempt_number,
                    "submitted_at": zulu(at),
                    "score_pct": score,
                    "is_passed": is_passed,
                }
            )
            if is_passed or dice.chance(0.25):
                break


def make_log() -> Log:
    """Return everything that happened on the platform, cast included, in order of time."""
    dice = Dice(SEED)
    log = Log(attempts=list(CAST_ATTEMPTS))
    taken: dict[str, set[date]] = {}
    # Nothing comes near the written days, so that what they show can be worked out by hand.
    written = [(c.user_id, c.connected_at) for c in CAST_CONNECTIONS + WRONG_CONNECTIONS]
    for user_id, at in written + [(e.user_id, e.occurred_at) for e in CAST_EVENTS + WRONG_EVENTS]:
        taken.setdefault(user_id, set()).update(at.date() + timedelta(days=n) for n in (-1, 0, 1))
    for session in SESSIONS:
        for user_id, diligence in DILIGENCE[session.session_id].items():
            if diligence > 0:
                learn(dice, log, session, user_id, diligence, taken.setdefault(user_id, set()))
    log.connections += CAST_CONNECTIONS + WRONG_CONNECTIONS
    log.events += CAST_EVENTS + WRONG_EVENTS
    log.connections.sort(key=lambda c: (c.connected_at, c.user_id, c.disconnected_at is not None))
    log.events.sort(key=lambda e: (e.occurred_at, e.user_id))
    return log


# --- The files -------------------------------------------------------------------------------------------------------


def zulu(at: datetime) -> str:
    """Write an instant to the second, in UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def paris(at: datetime) -> str:
    """Write an instant in Paris time with its offset."""
    offset = SUMMER_OFFSET if at < WINTER_TIME_AT else WINTER_OFFSET
    return f"{at + offset:%Y-%m-%d %H:%M:%S}+{offset.seconds // 3600:02d}:00"


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Cell]], delimiter: str = ",", line_end: str = "\n") -> str:
    """Return a CSV table; a record may have fewer cells than the header, for rows that are wrong."""
    target = io.StringIO()
    writer = csv.writer(target, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(header)
    for row in rows:
        writer.writerow(["" if cell is None else str(cell).lower() if isinstance(cell, bool) else cell for cell in row])
    return target.getvalue()


def gzipped(text: str) -> bytes:
    """Compress without a name and a time, so that the same text gives the same bytes."""
    target = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0) as stream:
        stream.write(text.encode("utf-8"))
    return target.getvalue()


def account_name(first_name: str | None, last_name: str | None) -> str:
    """Return `first.last` in plain letters; empty where the name has none."""
    words = []
    for name in (first_name or "", last_name or ""):
        plain = (
            unicodedata.normalize("NFKD", name.lower().replace("œ", "oe").replace("ø", "o"))
            .encode("ascii", "ignore")
            .decode()
        )
        words.append(re.sub("[^a-z]+", "-", plain).strip("-"))
    return ".".join(word for word in words if word)


def users_text() -> str:
    """Return `users.csv` as a spreadsheet saves it: semicolons, CRLF."""
    header = (
        "user_id",
        "email",
        "username",
        "first_name",
        "last_name",
        "additional_information",
        "status",
        "deleted_at",
    )
    rows: list[Sequence[Cell]] = []
    for user_id, first_name, last_name, _ in STAFF:
        name = account_name(first_name, last_name)
        rows.append(
            (user_id, f"{name}@trois-rives.example", name, first_name, last_name, None, "active", None, "fr", None)
        )
    for user_id, given, family, company_number, _ in LEARNERS:
        company = COMPANIES[company_number]
        username = account_name(given, family) or f"apprenant{user_id[2:]}"
        status, deleted_at, email = "active", None, f"{username}@{company.domain}"
        employer: str | None = company.name
        if user_id == "u-1010":
            status, deleted_at = "deleted", "2026-11-03T09:15:00Z"
        elif user_id == "u-1025":
            # Deleted and made anonymous: the platform keeps the log and forgets the person.
            status, deleted_at, email, username, employer = "deleted", "2026-09-30T22:00:00Z", "", "", None
        elif user_id == "u-1041":
            status = "invited"
        information = ADDITIONAL_INFORMATION.get(user_id)
        rows.append((user_id, email, username, given, family, information, status, deleted_at, "fr", employer))
    return csv_text((*header, "language", "employer"), rows, delimiter=";", line_end="\r\n")


def field_values() -> list[Sequence[Cell]]:
    """Return the learners' custom field values; a few are wrong."""
    rows: list[Sequence[Cell]] = []
    for number, (user_id, given, _, company_number, job) in enumerate(LEARNERS):
        if given is None:
            continue
        company = COMPANIES[company_number]
        entered_on = date(2019, 1, 7) + timedelta(days=67 * number % 2600)
        rows += [
            (user_id, "cf-01", company.siret),
            (user_id, "cf-02", company.name),
            (user_id, "cf-03", "AGEFICE" if user_id == SELF_EMPLOYED else company.opco),
            (user_id, "cf-05", "courant septembre" if user_id == "u-1020" else entered_on.isoformat()),
            (user_id, "cf-06", job),
        ]
        if number % 5 != 4:
            rows.append((user_id, "cf-04", f"D-2026-{4512 + 7 * number:06d}"))
        if number % 3 == 0:
            rows.append((user_id, "cf-07", ("Rennes", "Nantes; Saint-Herblain", "Lorient")[number % 9 // 3]))
        if number % 8 == 1:
            rows.append((user_id, "cf-08", "bâtiment B"))
        if number % 4 == 0:
            # Numbers kept for fiction by the French regulator.
            rows.append((user_id, "cf-09", f"+33 6 39 98 {number:02d} {90 - number:02d}"))
    rows.append(("u-1009", "cf-99", "sans objet"))
    return rows


def mean_score(log: Log, session_id: str, user_id: str) -> str | None:
    """Return the mean of a learner's best scores in a session, as the platform delivers it."""
    best: dict[Cell, float] = {}
    for result in log.results:
        if (result["session_id"], result["user_id"]) == (session_id, user_id):
            score = float(result["score_pct"] or 0)
            best[result["assessment_id"]] = max(score, best.get(result["assessment_id"], 0.0))
    return f"{sum(best.values()) / len(best):.2f}" if best else None


def enrollment_rows(log: Log) -> list[Sequence[Cell]]:
    """Return the enrolments. Only the session that ended in summer has all its progress and scores delivered."""
    rows: list[Sequence[Cell]] = []
    for session in SESSIONS:
        opening = in_paris(session.first_day - timedelta(days=13), 9 * 3600)
        for user_id, diligence in DILIGENCE[session.session_id].items():
            if (session.session_id, user_id) in NOT_ENROLLED:
                continue
            enrollment_id = f"{session.session_id}/{user_id}"
            unenrolled_at, status, progress, score, completed_at = None, "enrolled", None, None, None
            enrolled_at = opening + timedelta(minutes=int(user_id[2:]) % 50)
            if session.session_id == "S-2026-XLS-06":
                is_complete = diligence >= 0.9
                progress, status = (
                    str(100 if is_complete else int(diligence * 100)),
                    "completed" if is_complete else "ended",
                )
                score = mean_score(log, session.session_id, user_id)
                completed_at = "2026-07-17T15:00:00Z" if is_complete else None
            elif user_id == "u-1013":
                cancelled = (
                    f"{enrollment_id}/1",
                    session.session_id,
                    user_id,
                    paris(enrolled_at),
                    "2026-09-10 16:00:00+02:00",
                )
                rows.append((*cancelled, "withdrawn", "0", None, None))
                enrollment_id, enrolled_at = f"{enrollment_id}/2", instant("2026-09-14T06:30:00Z")
                progress, score, completed_at = "100", mean_score(log, MGMT, user_id), "2026-10-30T15:00:00Z"
            elif session.session_id == MGMT and user_id == "u-1001":
                progress, score, completed_at = "100", mean_score(log, MGMT, user_id), "2026-10-30T15:00:00Z"
            elif session.session_id == "S-2026-XLS-10" and user_id == "u-1028":
                unenrolled_at, status = "2026-10-23 18:00:00+02:00", "withdrawn"
            elif session.session_id == "S-2026-XLS-10" and user_id == "u-1036":
                progress = "17/20"
            rows.append(
                (
                    enrollment_id,
                    session.session_id,
                    user_id,
                    paris(enrolled_at),
                    unenrolled_at,
                    status,
                    progress,
                    score,
                    completed_at,
                )
            )
    return rows


CONNECTION_COLUMNS = (
    "connection_id",
    "user_id",
    "session_id",
    "course_id",
    "connected_at",
    "disconnected_at",
    "end_reason",
    "evidence_level",
)


def connection_files(log: Log) -> dict[str, bytes]:
    """Return the platform's own log, one CSV a month. The last file corrects a row of the one before it."""
    months: dict[str, list[Sequence[Cell]]] = {}
    closing: list[Cell] = []
    for number, connection in enumerate(log.connections, start=1):
        cells: dict[str, Cell] = {
            "connection_id": f"cc-{number:05d}",
            "user_id": connection.user_id,
            "session_id": connection.session_id,
            "course_id": connection.course_id,
            "connected_at": zulu(connection.connected_at),
            "disconnected_at": None if connection.disconnected_at is None else zulu(connection.disconnected_at),
            "end_reason": connection.end_reason,
            "evidence_level": connection.evidence_level,
        }
        cells.update(connection.cells)
        rows = months.setdefault(f"{connection.connected_at:%Y-%m}", [])
        rows.append([cells[name] for name in CONNECTION_COLUMNS])
        if connection.user_id == "u-9001":
            # An exact duplicate of the row before.
            rows.append(rows[-2])
        if connection is STILL_CONNECTED:
            closing = [cells[name] for name in CONNECTION_COLUMNS]
    closing[5:7] = ["2026-10-31T10:58:20Z", "left"]
    # The last record was cut short.
    months["2026-11"] += [
        closing,
        [f"cc-{len(log.connections) + 1:05d}", "u-1015", "S-2026-MGMT-10", "C-MGT-2", "2026-11-10T1"],
    ]
    return {
        f"course_connections/{month}.csv": csv_text(CONNECTION_COLUMNS, rows).encode("utf-8")
        for month, rows in sorted(months.items())
    }


def event_files(log: Log) -> dict[str, bytes]:
    """Return the events as two files of JSON lines; one line is there twice, one is cut short."""
    parts: dict[str, list[str]] = {"2026-06_2026-09": [], "2026-10_2026-11": []}
    for number, event in enumerate(log.events, start=1):
        milliseconds = event.occurred_at.microsecond // 1000
        cells: dict[str, Cell] = {
            "event_id": f"ev-{number:06d}",
            "user_id": event.user_id,
            "session_id": event.session_id,
            "course_id": event.course_id,
            "verb": event.verb,
            "occurred_at": f"{event.occurred_at:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z",
        }
        if event.attempt_id is not None:
            cells["attempt_id"] = event.attempt_id
        cells.update(event.cells)
        lines = parts["2026-06_2026-09" if event.occurred_at.month < 10 else "2026-10_2026-11"]
        lines.append(json.dumps(cells, ensure_ascii=False))
        if event.verb == "paused":
            lines.append(lines[-2])
            lines.append(lines[-2][:61])
    return {f"learning_events/{name}.jsonl.gz": gzipped("\n".join(lines) + "\n") for name, lines in parts.items()}


def make_files() -> dict[str, bytes]:
    """Return the raw folder: path inside it to bytes."""
    log = make_log()
    texts = {
        "custom_fields.csv": csv_text(("custom_field_id", "title", "value_type"), CUSTOM_FIELDS),
        "user_custom_field_values.csv": csv_text(("user_id", "custom_field_id", "value"), field_values()),
        "user_labels.csv": csv_text(
            ("user_id", "label"), [(user_id, label) for user_id, labels in LABELS.items() for label in labels]
        ),
        "groups.csv": csv_text(("group_id", "name", "parent_group_id"), GROUPS),
        "group_members.csv": csv_text(
            ("group_id", "user_id", "role"),
            [("g-2", user_id, role) for user_id, _, _, role in STAFF]
            + [(COMPANIES[company].group_id, user_id, "learner") for user_id, _, _, company, _ in LEARNERS],
        ),
        "program_templates.csv": csv_text(
            ("program_template_id", "name", "objectives", "planned_duration_seconds"), TEMPLATES
        ),
        "program_sessions.csv": csv_text(
            ("session_id", "program_template_id", "name", "starts_at", "ends_at", "announced_answer_delay_hours"),
            [
                (
                    s.session_id,
                    s.template_id,
                    s.name,
                    zulu(in_paris(s.first_day, 0)),
                    zulu(in_paris(s.last_day, 86399)),
                    48 if s.template_id == "T-MGMT" else None,
                )
                for s in SESSIONS
            ],
        ),
        "session_instructors.csv": csv_text(
            ("session_id", "user_id", "is_main"),
            [(s.session_id, user_id, user_id == s.instructor_ids[0]) for s in SESSIONS for user_id in s.instructor_ids],
        ),
        "enrollments.csv": csv_text(
            (
                "enrollment_id",
                "session_id",
                "user_id",
                "enrolled_at",
                "unenrolled_at",
                "status",
                "progress_pct",
                "score_pct",
                "completed_at",
            ),
            enrollment_rows(log),
            delimiter="\t",
        ),
        "courses.csv": csv_text(
            ("course_id", "name", "course_type", "planned_duration_seconds"),
            [(c.course_id, c.name, c.course_type, c.planned_seconds) for c in COURSES],
        ),
        "program_steps.csv": csv_text(
            ("program_template_id", "position", "step_type", "resource_id", "is_optional", "min_score_pct"), STEPS
        ),
        "assessments.csv": csv_text(
            ("assessment_id", "name", "evaluation_kind", "planned_duration_seconds"), ASSESSMENTS
        ),
        "tutor_interactions.csv": csv_text(
            (
                *("interaction_id", "session_id", "user_id", "tutor_user_id", "kind", "asked_at", "answered_at"),
                *("channel", "is_automated"),
            ),
            INTERACTIONS,
        ),
        "assessment_results.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in log.results),
    }
    files = {path: text.encode("utf-8") for path, text in texts.items()}
    files["users.csv"] = users_text().encode("utf-8-sig")
    files["course_attempts.csv.gz"] = gzipped(
        csv_text(tuple(log.attempts[0]), [tuple(row.values()) for row in log.attempts])
    )
    return files | connection_files(log) | event_files(log)


def write_files(folder: Path) -> None:
    """Write the raw folder anew; a folder that is not empty must be the project's own."""
    if folder == OWN_FOLDER:
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty: give a new or an empty folder to --output")
    for name, content in make_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description="Write the demo campus.")
    parser.add_argument("--output", type=Path, default=OWN_FOLDER, help="a new or empty folder")
    write_files(parser.parse_args().output.resolve())


if __name__ == "__main__":
    main()
