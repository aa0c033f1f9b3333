"""An export's filters in words, for who gets the file: in the message about it and at the foot of its pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.export.columns import Language
from reports.export.filters import ExportFilters

VALUES_SHOWN = 10
WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "date_from": "Connections from",
        "date_to": "Connections until",
        "users": "Learners",
        "groups": "Groups, with their sub-groups",
        "sessions": "Sessions",
        "session_ids": "Sessions by id",
        "where": "Values of custom fields",
        "custom_fields": "Custom fields shown",
        "more": "and {count} more",
        "colon": ": ",
        "semicolon": "; ",
    },
    "fr": {
        "date_from": "Connexions à partir du",
        "date_to": "Connexions jusqu’au",
        "users": "Apprenants",
        "groups": "Groupes, sous-groupes compris",
        "sessions": "Sessions",
        "session_ids": "Sessions par identifiant",
        "where": "Valeurs de champs personnalisés",
        "custom_fields": "Champs personnalisés affichés",
        "more": "et {count} de plus",
        "colon": " : ",
        "semicolon": " ; ",
    },
}
LISTS = ("users", "groups", "sessions", "session_ids", "where", "custom_fields")


def worded_filters(filters: ExportFilters, language: Language) -> list[tuple[str, str]]:
    """Return each filter that was given as a heading and its values; of many values the first, and how many more."""
    words = WORDS[language]
    days = {name: day for name in ("date_from", "date_to") if (day := getattr(filters, name))}
    facts = [(words[name], f"{day:%d/%m/%Y}") for name, day in days.items()]
    for kind in LISTS:
        values: Sequence[str] = getattr(filters, kind)
        if values:
            rest = len(values) - VALUES_SHOWN
            shown = [*values[:VALUES_SHOWN], *([words["more"].format(count=rest)] if rest > 0 else [])]
            facts.append((words[kind], ", ".join(shown)))
    return facts


def worded_in_a_line(filters: ExportFilters, language: Language, titles: Mapping[str, str]) -> str:
    """Return the filters that were given in one line; `titles` are those of custom fields by id, which pages ask by."""
    words = WORDS[language]
    if filters.by_id:
        fields = [titles.get(one, one) for one in filters.custom_fields]
        conditions = []
        for condition in filters.where:
            field = next((one for one in titles if condition.startswith(f"{one}=")), "")
            conditions.append(titles.get(field, "") + condition.removeprefix(field))
        filters = filters.model_copy(update={"custom_fields": tuple(fields), "where": tuple(conditions)})
    days = {words["date_from"], words["date_to"]}
    return words["semicolon"].join(
        f"{title}{' ' if title in days else words['colon']}{text}" for title, text in worded_filters(filters, language)
    )
