"""The message that tells of what is amiss: text and HTML, French or English."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from itertools import groupby
from typing import Any

from reports.alarms.causes import Cause
from reports.delivery.message import Language, compose, local_instant, one_line, templates

LINES_SHOWN = 10
COMMANDS_SHOWN = 3
INSTANTS = ("at", "as_of", "last")
"""Values of a cause that are instants."""

FACTS: dict[str, tuple[str, ...]] = {
    "run": ("job", "step", "run_id", "at"),
    "tick": ("name", "at"),
    "check": ("check", "asset", "job", "run_id", "at"),
    "rejects": ("table", "load", "at"),
    "stale": ("last", "as_of", "sessions"),
    "gone": ("as_of",),
    "home": (),
    "service": ("service", "at"),
}
"""Where it is: the values of each kind that are told, in this order."""

WORDING: dict[str, dict[str, str]] = {
    "en": {
        "colon": ":",
        "subject": "OPCO alarm: {title}",
        "subject_more": "OPCO alarm: {title}, and {count} more",
        "subject_test": "OPCO: trial message of the alarms",
        "test": "This is a trial: alarms of this home reach you.",
        "hello": "Something is amiss in the OPCO warehouse.",
        "home": "Home",
        "cause": "Cause",
        "look": "To look further",
        "more": "and {count} more",
        "once": "Each cause is told once, and again only if it ended and came back. What is amiss now",
        "manual": "What each alarm means and what to do stands in docs/alarms.md.",
        "job": "Job",
        "step": "Step",
        "run_id": "Run",
        "at": "At",
        "name": "Schedule or sensor",
        "check": "Check",
        "asset": "Of",
        "table": "Table",
        "load": "Load",
        "last": "Last activity",
        "as_of": "Data as of",
        "sessions": "Open sessions",
        "none": "none so far",
        "run.title": "the job {job} failed",
        "run.help": "What was published and issued stays as it was. Correct the cause; the next run tries again.",
        "tick.title": "{name} could not start its work",
        "tick.help": "No run was started. It is tried again at its next time.",
        "check.title": "the check {check} does not hold",
        "check.help": "The build was published all the same: the check only warns.",
        "rejects.title": "{rejected} of {delivered} rows rejected in {table}",
        "rejects.help": "These rows are in no file. Each stands in rejected_rows with its file and line.",
        "stale.title": "no new activity for {days} days while sessions are open",
        "stale.help": "Either nobody learned, or the LMS no longer delivers: compare the two instants above.",
        "gone.learner.title": "learners gone from the LMS that hold proof: {count}",
        "gone.session.title": "sessions gone from the LMS that hold proof: {count}",
        "gone.program.title": "programs gone from the LMS that hold proof: {count}",
        "gone.course.title": "courses gone from the LMS that hold proof: {count}",
        "gone.assessment.title": "assessments gone from the LMS that hold results: {count}",
        "gone.help": (
            "Nothing is lost here: they stay as last delivered, marked is_gone. If they were not meant to go, have the "
            "LMS deliver them again before more is deleted there."
        ),
        "gone.line": "{id}: connections: {proofs}, retained: {time}",
        "gone.results": "{id}: results: {proofs}",
        "service": "Service",
        "service.title": "the service {service} failed and was given up",
        "service.help": "Its log tells why: journalctl -u {service} -n 50. Then: systemctl restart {service}.",
        "home.title": "the home, or what it holds, cannot be read or written",
        "home.help": "Until it can, nothing is built, exported or issued; nothing is written in its place.",
    },
    "fr": {
        "colon": " :",
        "subject": "Alarme OPCO : {title}",
        "subject_more": "Alarme OPCO : {title}, et {count} de plus",
        "subject_test": "OPCO : message d’essai des alarmes",
        "test": "Ceci est un essai : les alarmes de cet entrepôt vous parviennent.",
        "hello": "Quelque chose ne va pas dans l’entrepôt OPCO.",
        "home": "Dossier",
        "cause": "Cause",
        "look": "Pour en savoir plus",
        "more": "et {count} de plus",
        "once": "Chaque cause est annoncée une fois, puis de nouveau si elle cesse et revient. L’état actuel",
        "manual": "Le sens de chaque alarme et la marche à suivre : docs/alarms.md.",
        "job": "Tâche",
        "step": "Étape",
        "run_id": "Exécution",
        "at": "Le",
        "name": "Planification ou capteur",
        "check": "Contrôle",
        "asset": "Sur",
        "table": "Table",
        "load": "Chargement",
        "last": "Dernière activité",
        "as_of": "Données au",
        "sessions": "Sessions ouvertes",
        "none": "aucune à ce jour",
        "run.title": "la tâche {job} a échoué",
        "run.help": (
            "Ce qui était publié et émis reste inchangé. Corrigez la cause ; la prochaine exécution réessaiera."
        ),
        "tick.title": "{name} n’a pas pu lancer son travail",
        "tick.help": "Aucune exécution n’a été lancée. Nouvel essai à la prochaine échéance.",
        "check.title": "le contrôle {check} n’est pas satisfait",
        "check.help": "Les données sont publiées malgré tout : ce contrôle ne fait qu’avertir.",
        "rejects.title": "{rejected} lignes sur {delivered} rejetées dans {table}",
        "rejects.help": (
            "Ces lignes ne sont dans aucun fichier. Chacune figure dans rejected_rows avec son fichier et sa ligne."
        ),
        "stale.title": "aucune activité nouvelle depuis {days} jours alors que des sessions sont ouvertes",
        "stale.help": (
            "Soit personne ne s’est formé, soit le LMS ne livre plus : comparez les deux instants ci-dessus."
        ),
        "gone.learner.title": "apprenants disparus du LMS et détenteurs de preuves : {count}",
        "gone.session.title": "sessions disparues du LMS et porteuses de preuves : {count}",
        "gone.program.title": "programmes disparus du LMS et porteurs de preuves : {count}",
        "gone.course.title": "cours disparus du LMS et porteurs de preuves : {count}",
        "gone.assessment.title": "évaluations disparues du LMS et porteuses de résultats : {count}",
        "gone.help": (
            "Rien n’est perdu ici : tout reste tel que livré en dernier, marqué is_gone. Si ce n’était pas voulu, "
            "faites-les livrer de nouveau par le LMS avant d’autres suppressions."
        ),
        "gone.line": "{id} : connexions : {proofs}, temps retenu : {time}",
        "gone.results": "{id} : résultats : {proofs}",
        "service": "Service",
        "service.title": "le service {service} a échoué et a été abandonné",
        "service.help": "Son journal dit pourquoi : journalctl -u {service} -n 50. Puis : systemctl restart {service}.",
        "home.title": "le dossier de l’entrepôt, ou son contenu, ne peut être lu ou écrit",
        "home.help": "D’ici là, rien n’est construit, exporté ni émis. Rien n’est écrit à sa place.",
    },
}


@dataclass(frozen=True)
class Place:
    """What every message says: which home, and how to write. `home_option` follows the commands that look further."""

    home: str
    home_option: str
    display_timezone: str
    language: Language
    organisation: str | None = None


def alarm_message(causes: Sequence[Cause], place: Place, sender: str, recipient: str) -> EmailMessage:
    """Return the message that tells of `causes`, one at least, from one checked address to another."""
    words = WORDING[place.language]
    sections = told(causes, place)
    name = "subject" if len(sections) == 1 else "subject_more"
    subject = words[name].format(title=sections[0]["title"], count=len(sections) - 1)
    return _composed(words["hello"], subject, sections, place, sender, recipient)


def trial_message(place: Place, sender: str, recipient: str) -> EmailMessage:
    """Return a message that only shows that alarms arrive."""
    words = WORDING[place.language]
    return _composed(words["test"], words["subject_test"], [], place, sender, recipient)


def told(causes: Iterable[Cause], place: Place) -> list[dict[str, Any]]:
    """Return what is told of `causes`, those of one group together.

    Each as `title`, `heading` (the title as it begins a paragraph), `facts` (name and text), `help`, `lines` and
    `commands`; all texts of one line.
    """
    ordered = sorted(causes, key=lambda cause: cause.group)
    return [_section(list(group), place) for _, group in groupby(ordered, key=lambda cause: cause.group)]


def _section(causes: Sequence[Cause], place: Place) -> dict[str, Any]:
    words = WORDING[place.language]
    first = causes[0]
    values = {**first.values, "count": str(len(causes))}
    title = words[f"{first.group.replace('/', '.')}.title" if first.kind == "gone" else f"{first.kind}.title"]
    lines = [line for cause in causes for line in _lines(cause, words)]
    commands = dict.fromkeys(command for cause in causes for command in cause.commands)
    rest = len(lines) - LINES_SHOWN
    said = one_line(title.format(**values))
    return {
        "title": said,
        "heading": said[:1].upper() + said[1:],
        "facts": [(words[name], one_line(_value(name, first, place, words))) for name in FACTS[first.kind]],
        "help": one_line(words[f"{first.kind}.help"].format(**values)),
        "lines": [*map(one_line, lines[:LINES_SHOWN]), *([words["more"].format(count=rest)] if rest > 0 else [])],
        "commands": [one_line(f"opco {command}{place.home_option}") for command in list(commands)[:COMMANDS_SHOWN]],
    }


def _lines(cause: Cause, words: dict[str, str]) -> tuple[str, ...]:
    if cause.kind != "gone":
        return cause.lines
    return (words["gone.line" if cause.values["time"] else "gone.results"].format(**cause.values),)


def _value(name: str, cause: Cause, place: Place, words: dict[str, str]) -> str:
    value = cause.values[name]
    if name not in INSTANTS:
        return value
    return local_instant(datetime.fromisoformat(value), place.display_timezone) if value else words["none"]


def _composed(
    opening: str, subject: str, sections: list[dict[str, Any]], place: Place, sender: str, recipient: str
) -> EmailMessage:
    said = {
        "words": WORDING[place.language],
        "language": place.language,
        "subject": one_line(subject),
        "opening": opening,
        "sections": sections,
        "home": one_line(place.home),
        "now": f"opco alarms{place.home_option}",
        "organisation": one_line(place.organisation or ""),
    }
    return compose(said, templates("reports.alarms"), "alarm", sender, recipient)


def home_option(home: str) -> str:
    """Return what a command needs to work in `home`, quoted for a shell."""
    return f" --home {shlex.quote(home)}"
