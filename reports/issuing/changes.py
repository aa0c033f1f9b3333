"""Whether a document would print something else than the one in force, and why it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.issuing.manifest import Cause

Rows = Sequence[Mapping[str, str]]
# Counted afresh in every log: a row that only moved is no corrected one.
POSITIONS = ("number", "running_total_seconds")


def changed_parts(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the parts that print something else; a part that an earlier document did not have is none."""
    return [part for part in now if before.get(part, now[part]) != now[part]]


def causes_of_change(
    before: Mapping[str, str],
    now: Mapping[str, str],
    rows_before: Rows | None,
    rows: Rows,
) -> tuple[Cause, ...]:
    """Return why a document changed.

    `rows` are those attached to it, `rows_before` those of the earlier one, None if not known.
    """
    changed = changed_parts(before, now)
    causes = [Cause(part) for part in changed if part != "log"]
    if "log" in changed and rows_before is not None:
        old, new = _by_id(rows_before), _by_id(rows)
        counts = {
            "late_rows": len(new.keys() - old.keys()),
            "corrected_rows": sum(old[key] != new[key] for key in old.keys() & new.keys()),
            "withdrawn_rows": len(old.keys() - new.keys()),
        }
        causes = [Cause(kind, count) for kind, count in counts.items() if count] + causes
    return tuple(causes)


def _by_id(rows: Rows) -> dict[str, dict[str, str]]:
    return {row["connection_id"]: {name: value for name, value in row.items() if name not in POSITIONS} for row in rows}
