"""What `opco why` says at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from orchestration.commands.closing import Closing
from orchestration.home import Home
from orchestration.terminal import counted
from warehouse.why import Answer


def why_closing(home: Home, answers: Sequence[Answer], limit: int) -> Closing:
    """Return what became of raw rows: how many of each outcome, and the first `limit` of them."""
    return {
        "command": "why",
        "ok": True,
        "home": str(home.folder),
        "rows": len(answers),
        "connections": len({answer.connection_id for answer in answers if answer.outcome == "connection"}),
        "outcomes": dict(sorted(Counter(answer.outcome for answer in answers).items())),
        "answers": [asdict(answer) for answer in answers[:limit]],
    }


def why_lines(closing: Closing) -> list[str]:
    """Return what `opco why` prints: one line a raw row, then how many of each outcome."""
    if not closing["rows"]:
        return ["No raw row answers to that. Ids are case-sensitive; a day is one in the display time zone."]
    lines = [_why_line(answer) for answer in closing["answers"]]
    if closing["rows"] > len(lines):
        lines.append(f"and {counted(closing['rows'] - len(lines), 'more row')} (--limit shows more)")
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in closing["outcomes"].items())
    return [*lines, f"{counted(closing['rows'], 'row')}: {outcomes}; {counted(closing['connections'], 'connection')}"]


def _why_line(answer: Mapping[str, Any]) -> str:
    parts = [f"{answer['happened_at']}Z" if answer["happened_at"] else "", f"{answer['file']}:{answer['line']}"]
    parts += [answer["row_id"] or "", answer["outcome"], f"({answer['detail']})" if answer["detail"] else ""]
    if answer["connection_id"]:
        seconds = answer["retained_seconds"]
        until = "open" if seconds is None else f"until {answer['disconnected_at']}Z, {seconds} s retained"
        word = "by" if answer["outcome"] == "superseded" else "=>"
        parts.append(
            f"{word} {answer['connection_id']} of {answer['connected_at']}Z: {until}, {answer['end_kind']}, "
            f"{answer['evidence_level']}"
        )
    return "  ".join(part for part in parts if part)
