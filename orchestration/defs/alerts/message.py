"""The e-mail of an alert: text and HTML, French or English."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from itertools import groupby
from pathlib import Path
from typing import Any

from orchestration.defs.alerts.alert import Alert
from reports.delivery.message import compose, local_instant, one_line, templates
from reports.language import Language, mail_catalogue

LINES_SHOWN = 10
COMMANDS_SHOWN = 3
INSTANTS = ("at", "as_of", "last", "due", "ended")
"""Values of an alert that are instants."""

FACTS: dict[str, tuple[str, ...]] = {
    "run": ("job", "step", "run_id", "at"),
    "tick": ("name", "at"),
    "night": ("due", "ended"),
    "check": ("check", "asset", "job", "run_id", "at"),
    "rejects": ("table", "load", "at"),
    "stale": ("last", "as_of", "sessions"),
    "gone": ("as_of",),
    "purged": ("table", "load"),
    "reused": ("table", "load"),
    "doubtful": ("as_of",),
    "home": (),
    "service": ("service", "at"),
}
"""Where it is: the values of each kind that are shown, in this order."""

FOLDER = Path(__file__).parent / "wording"


@dataclass(frozen=True)
class MessageContext:
    """What every message says: which home, and how to write. `home_option` follows the commands that say more."""

    home: str
    home_option: str
    display_timezone: str
    language: Language
    organisation: str | None = None


def alert_message(alerts: Sequence[Alert], context: MessageContext, sender: str, recipient: str) -> EmailMessage:
    """Return the message about `alerts`, one at least, from one checked address to another."""
    words = mail_catalogue(FOLDER, context.language)
    sections = described(alerts, context)
    name = "subject" if len(sections) == 1 else "subject_more"
    subject = words[name].format(title=sections[0]["title"], count=len(sections) - 1)
    return _composed(words["hello"], subject, sections, context, sender, recipient)


def trial_message(context: MessageContext, sender: str, recipient: str) -> EmailMessage:
    """Return a message that only shows that alerts arrive."""
    words = mail_catalogue(FOLDER, context.language)
    return _composed(words["test"], words["subject_test"], [], context, sender, recipient)


def described(alerts: Iterable[Alert], context: MessageContext) -> list[dict[str, Any]]:
    """Return `alerts` in words, those of one group together.

    Each as `title`, `heading` (the title as it begins a paragraph), `facts` (name and text), `help`, `lines` and
    `commands`; all texts of one line.
    """
    ordered = sorted(alerts, key=lambda alert: alert.group)
    return [_section(list(group), context) for _, group in groupby(ordered, key=lambda alert: alert.group)]


def _section(alerts: Sequence[Alert], context: MessageContext) -> dict[str, Any]:
    words = mail_catalogue(FOLDER, context.language)
    first = alerts[0]
    values = {**first.values, "count": str(len(alerts))}
    # Of these what it is of says it.
    named = first.group.replace("/", ".") if first.kind in ("gone", "doubtful") else first.kind
    title = words[f"{named}.title"]
    lines = [line for alert in alerts for line in _lines(alert, words)]
    commands = dict.fromkeys(command for alert in alerts for command in alert.commands)
    rest = len(lines) - LINES_SHOWN
    heading = one_line(title.format(**values))
    return {
        "title": heading,
        "heading": heading[:1].upper() + heading[1:],
        "facts": [(words[name], one_line(_value(name, first, context, words))) for name in FACTS[first.kind]],
        "help": one_line(words[f"{first.kind}.help"].format(**values)),
        "lines": [*map(one_line, lines[:LINES_SHOWN]), *([words["more"].format(count=rest)] if rest > 0 else [])],
        "commands": [one_line(f"opco {command}{context.home_option}") for command in list(commands)[:COMMANDS_SHOWN]],
    }


def _lines(alert: Alert, words: dict[str, str]) -> tuple[str, ...]:
    if alert.kind != "gone":
        return alert.lines
    return (words["gone.line" if alert.values["time"] else "gone.results"].format(**alert.values),)


def _value(name: str, alert: Alert, context: MessageContext, words: dict[str, str]) -> str:
    value = alert.values[name]
    if name not in INSTANTS:
        return value
    return local_instant(datetime.fromisoformat(value), context.display_timezone) if value else words["none"]


def _composed(
    opening: str, subject: str, sections: list[dict[str, Any]], context: MessageContext, sender: str, recipient: str
) -> EmailMessage:
    values = {
        "words": mail_catalogue(FOLDER, context.language),
        "language": context.language,
        "subject": one_line(subject),
        "opening": opening,
        "sections": sections,
        "home": one_line(context.home),
        "now": f"opco alerts{context.home_option}",
        "organisation": one_line(context.organisation or ""),
    }
    return compose(values, templates("orchestration.defs.alerts"), "alert", sender, recipient)
