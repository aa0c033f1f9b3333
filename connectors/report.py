"""What was found in a source, taken, and left out and why: the model of `opco pull` and of `opco check-source`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from warehouse.wording import counted

Level = Literal["error", "warning", "left_out", "note"]
EXAMPLES_SHOWN = 3
HEADS: dict[Level, str] = {"error": "Error", "warning": "Warning", "left_out": "Left out", "note": "Note"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing found: `text` is a sentence for people, `count` how often it is, `examples` some of it.

    `left_out` is what the source has and no raw table gets; an `error` is what a pull stops at.
    """

    code: str
    level: Level
    text: str
    count: int | None = None
    examples: tuple[str, ...] = ()

    def line(self) -> str:
        """Return it as one line of the terminal."""
        more = f" ({self.count:,})" if self.count is not None else ""
        examples = "; ".join(self.examples[:EXAMPLES_SHOWN])
        return f"{HEADS[self.level]}: {self.text}{more}" + (f": {examples}" if examples else "")


@dataclass(frozen=True, kw_only=True)
class SourceReport:
    """What a source holds, or what a pull took of it.

    `rows` are the rows written by raw table, `last_activity` the newest instant (aware, UTC) at which a learner was
    seen, None where none was; `facts` what else there is to know, by name.
    """

    findings: tuple[Finding, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    last_activity: datetime | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether a pull can go on."""
        return not any(finding.level == "error" for finding in self.findings)

    def lines(self) -> Iterator[str]:
        """Yield it for the terminal."""
        yield from (f"{name}: {value}" for name, value in self.facts.items())
        yield from (f"  {rows:>9,}  {table}" for table, rows in sorted(self.rows.items()) if rows)
        if self.last_activity is not None:
            yield f"Last activity: {self.last_activity:%Y-%m-%d %H:%M} UTC"
        yield from (finding.line() for finding in self.findings)

    def summary(self) -> str:
        """Return it in a few words."""
        left_out = sum(finding.count or 0 for finding in self.findings if finding.level == "left_out")
        return f"{counted(sum(self.rows.values()), 'row')}, {left_out:,} left out"

    def without_examples(self) -> SourceReport:
        """Return it without what may name people."""
        return replace(self, findings=tuple(replace(finding, examples=()) for finding in self.findings))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON takes it; `from_json` reads it again."""
        return asdict(self) | {
            "rows": dict(self.rows),
            "facts": dict(self.facts),
            "last_activity": self.last_activity.isoformat() if self.last_activity else None,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SourceReport:
        """Return the report that `to_json` gave."""
        activity = content["last_activity"]
        return cls(
            findings=tuple(Finding(**{**one, "examples": tuple(one["examples"])}) for one in content["findings"]),
            rows=content["rows"],
            last_activity=datetime.fromisoformat(activity) if activity else None,
            facts=content["facts"],
        )
