"""docs/rules.md against the project: its drawn examples through the built SQL, its codes, settings and models.

A drawn example is a block of text. Its first line is the ruler; of every line what stands left of the bar is drawn from
the facts right of it. Inputs become a raw folder (after outputs: a further delivery), and the outputs must be, letter
for letter, what the project's own SQL makes of it.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml

from tests.properties.built import CLOCK, Built, Project, Row, build, compile_project
from warehouse.contract import raw_tables
from warehouse.project import PROJECT_DIR
from warehouse.readers import read_file

PAGE = (PROJECT_DIR / "docs" / "rules.md").read_text(encoding="utf-8")
SECTIONS: dict[str, str] = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
VERBS = {"C": "connected", "a": "active", "D": "disconnected", "F": "completed"}
COURSES = ("Word", "Excel", "Teams", "Forum")

Delivery = dict[str, list[dict[str, str]]]


@dataclass(frozen=True)
class Ruler:
    """The first line of a block: where an instant of its day is drawn."""

    start: datetime
    per_sign: timedelta
    width: int
    offset: str

    def at(self, clock: str) -> datetime:
        return datetime.combine(self.start.date(), time.fromisoformat(clock))

    def column(self, instant: datetime) -> int:
        return (instant - self.start) // self.per_sign

    def cell(self, clock: str) -> str:
        """An instant as it is delivered: with an offset, unless the block says otherwise."""
        return f"{self.start.date()} {clock}{self.offset}" if clock else ""

    def line(self, signs: Mapping[int, str], facts: str) -> str:
        assert all(0 <= column < self.width for column in signs), facts
        return "".join(signs.get(column, " ") for column in range(self.width)) + f"| {facts}"

    def bar(self, begin: datetime, end: datetime | None, ends: str) -> dict[int, str]:
        """Signs of a stretch of time; one without an end is dotted up to the right edge."""
        first, last = self.column(begin), self.width - 2 if end is None else self.column(end)
        fill = "." if end is None else "-"
        signs = {**dict.fromkeys(range(first, last + 1), fill), first: ends[0]}
        return signs if end is None else {**signs, last: ends[1] if last > first else "#"}


@dataclass
class Step:
    """What was delivered up to some outputs, the setting they are for, and the outputs as the page has them."""

    deliveries: tuple[Delivery, ...]
    setting: tuple[str, str] | None
    told: list[str] = field(default_factory=list)


@dataclass
class Example:
    """A block: its inputs as they stand and as they must be drawn, and its steps."""

    heading: str
    ruler: Ruler
    inputs: list[tuple[str, str]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def ruler_of(line: str) -> Ruler:
    drawn, facts = line.split("| ")
    labels = [(label.start(), time.fromisoformat(label.group())) for label in re.finditer(r"\d\d:\d\d", drawn)]
    day, kind = facts.split(" ", maxsplit=1)
    (column, first), (next_column, following) = labels[:2]
    instants = [datetime.combine(date.fromisoformat(day), label) for label in (first, following)]
    per_sign = (instants[1] - instants[0]) / (next_column - column)
    for place, label in labels:
        assert datetime.combine(instants[0].date(), label) == instants[0] + per_sign * place, line
    return Ruler(instants[0], per_sign, len(drawn), {"UTC": "Z", "without offset": ""}[kind])


def base() -> Delivery:
    return {
        "users.csv": [{"user_id": "ada"}, {"user_id": "bob"}],
        "program_templates.csv": [{"program_template_id": "program", "name": "Program"}],
        "program_sessions.csv": [
            {"session_id": session, "program_template_id": "program", "name": session} for session in ("A", "B")
        ],
        "courses.csv": [{"course_id": course, "name": course} for course in COURSES],
    }


def take(facts: str, delivery: Delivery, number: int, ruler: Ruler) -> dict[int, str]:
    """Put an input line into the delivery and return its drawing."""
    kind, name, *words = facts.split()
    if kind == "events":
        session, course, *attempt = name.split("/")
        rows = delivery.setdefault(f"learning_events/{number}.csv", [])
        pairs = list(zip(words[::2], words[1::2], strict=True))
        for letter, clock in pairs:
            rows.append(
                {
                    "event_id": f"{number}-{len(rows)}",
                    "user_id": "ada",
                    "session_id": session.strip("-"),
                    "course_id": course,
                    "attempt_id": "".join(attempt),
                    "verb": VERBS[letter],
                    "occurred_at": ruler.cell(clock),
                }
            )
        signs = {ruler.column(ruler.at(clock)): letter for letter, clock in pairs}
        assert len(signs) == len(pairs), facts
        return signs
    if kind == "instructor":
        delivery.setdefault("session_instructors.csv", []).append({"session_id": words[0], "user_id": name})
        return {}
    if kind == "learner":
        assert words == ["deleted"]
        next(row for row in delivery["users.csv"] if row["user_id"] == name)["status"] = "deleted"
        return {}
    session = words.pop(0) if kind == "enrolment" else name
    begin, end = words.pop(0).split("-") if words else ("", "")
    if kind == "logged":
        session, course = name.split("/")
        own = {"user_id": "ada", "session_id": session, "course_id": course}
        for word in words:
            is_level = word in ("native_log", "attempt_span")
            column = "connection_id" if word.startswith("id=") else "evidence_level" if is_level else "end_reason"
            own[column] = word.removeprefix("id=")
        own |= {"connected_at": ruler.cell(begin), "disconnected_at": ruler.cell(end)}
        delivery.setdefault(f"course_connections/{number}.csv", []).append(own)
    elif kind == "enrolment":
        rows = delivery.setdefault("enrollments.csv", [])
        own = {"enrollment_id": str(len(rows)), "user_id": name, "session_id": session}
        rows.append({**own, "enrolled_at": ruler.cell(begin), "unenrolled_at": ruler.cell(end)})
    else:
        assert kind == "session", facts
        row = next(row for row in delivery["program_sessions.csv"] if row["session_id"] == name)
        row |= {"starts_at": ruler.cell(begin), "ends_at": ruler.cell(end)}
    return ruler.bar(ruler.at(begin), ruler.at(end) if end else None, "<>") if begin else {}


def examples() -> list[Example]:
    """The page's drawn examples, in order."""
    found = []
    for heading, text in SECTIONS.items():
        for block in re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            first, *lines = block.splitlines()
            example = Example(heading, ruler_of(first))
            deliveries: list[Delivery] = [base()]
            is_telling, setting, number = False, None, 1
            for line in lines:
                facts = line.split("| ", maxsplit=1)[1]
                if facts.startswith("with "):
                    name, value = facts.removeprefix("with ").split(" = ")
                    setting, is_telling = (name, value), False
                    assert not line[: example.ruler.width].strip()
                elif facts.startswith(("=>", "  ", "rejected", "nulled", "counts")):
                    if not is_telling:
                        example.steps.append(Step(tuple(deliveries), setting))
                    is_telling = True
                    example.steps[-1].told.append(line)
                else:
                    if is_telling:
                        deliveries.append(base())
                        number = len(deliveries)
                    is_telling = False
                    # what follows comes under the names of an earlier delivery's files
                    if facts.startswith("again "):
                        number = int(facts.removeprefix("again "))
                        assert not line[: example.ruler.width].strip()
                        deliveries[-1] |= {
                            path: [] for path in deliveries[number - 1] if path.endswith(f"/{number}.csv")
                        }
                        continue
                    signs = take(facts, deliveries[-1], number, example.ruler)
                    example.inputs.append((line, example.ruler.line(signs, facts)))
            found.append(example)
    return found


def clock_of(instant: datetime | None) -> str:
    return "" if instant is None else instant.time().isoformat()


def connection_lines(connection: Row, ruler: Ruler) -> Iterable[str]:
    """A connection: `=` is time retained, `-` time that is beyond the cap or that another connection covers."""
    begin, end, retained = (connection[name] for name in ("connected_at", "disconnected_at", "retained_seconds"))
    signs = ruler.bar(begin, end, "[]")
    seconds = "no seconds"
    remarks = []
    if end is not None:
        counted_until = end - timedelta(seconds=connection["capped_seconds"])
        retained_from = counted_until - timedelta(seconds=retained)
        for column in range(ruler.column(retained_from), ruler.column(counted_until)):
            signs[column] = "=" if signs[column] == "-" else signs[column]
        elapsed, minutes = connection["elapsed_seconds"], connection["time_spent_minutes"]
        seconds = f"{retained} of {elapsed} s, {minutes} min"
        remarks = [f"{kind} {connection[f'{kind}_seconds']} s" for kind in ("capped", "overlap")]
        remarks = [remark for remark in remarks if not remark.endswith(" 0 s")]
    if connection["flags"]:
        remarks.append("flags " + " ".join(connection["flags"]))
    if connection["connected_on"] != begin.date():
        remarks.append(f"day {connection['connected_on']}")
    place = f"{connection['session_id']}/{connection['course_id']} {clock_of(begin)}-{clock_of(end)}"
    yield ruler.line(signs, f"=> {place} {connection['end_kind']}, {connection['evidence_level']}: {seconds}")
    if remarks:
        yield ruler.line({}, "   " + "; ".join(remarks))


def outputs(built: Built, ruler: Ruler, counted: Iterable[str]) -> list[str]:
    """Everything that an example's outputs tell: connections, rejected and nulled cells, and the counts asked for."""
    connections = sorted(
        built.tables["fct_opco_connections"],
        key=lambda row: (
            row["connected_at"],
            row["disconnected_at"] is None,
            row["disconnected_at"],
            row["connection_id"],
        ),
    )
    lines = [line for connection in connections for line in connection_lines(connection, ruler)]
    for row in sorted(built.tables["rejected_rows"], key=lambda row: (row["file"], row["line"])):
        what = "nulled" if row["row_kept"] else "rejected"
        cell = f'{row["column_name"]} "{row["value"]}"'
        lines.append(ruler.line({}, f"{what} {row['file']}:{row['line']}: {row['reason']}, {cell}"))
    for table in counted:
        counts = built.reconciliation(table)
        is_events = table == "learning_events"
        parts = ["kept", "duplicate", "rejected", *["outside_session"] * is_events]
        total = " + ".join(f"{part} {counts[part]}" for part in parts)
        told = f"counts {table}: delivered {counts['delivered']} = {total}; superseded {counts['superseded']}"
        told += "".join(f"; {beside} {counts[beside]}" for beside in ("gone", "conflicting") if counts[beside])
        lines.append(ruler.line({}, told))
    return lines


EXAMPLES = examples()
# Values so chosen that none touches another's example: one compilation does for all.
OTHER_SETTINGS = dict({step.setting for example in EXAMPLES for step in example.steps if step.setting})


def rule_settings() -> dict[str, Any]:
    """The settings of the rules with their defaults."""
    project = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8"))
    return {name: value for name, value in project["vars"].items() if not isinstance(value, dict)}


def seed(name: str) -> list[dict[str, str]]:
    with (PROJECT_DIR / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def section(rule: str) -> str:
    """The page's text on a rule."""
    return next(text for heading, text in SECTIONS.items() if heading.startswith(f"{rule} "))


def table_rows(text: str) -> list[list[str]]:
    """The rows of a table whose first cells are codes."""
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]


@pytest.fixture(scope="module")
def with_defaults(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return compile_project(tmp_path_factory.mktemp("defaults"), {})


@pytest.fixture(scope="module")
def with_other_settings(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return compile_project(tmp_path_factory.mktemp("other"), OTHER_SETTINGS)


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=lambda number: f"{number}-{EXAMPLES[number].heading[:2]}")
def test_a_drawn_example_is_what_the_project_makes_of_it(
    number: int, with_defaults: Project, request: pytest.FixtureRequest
) -> None:
    example = EXAMPLES[number]
    assert [told for told, _ in example.inputs] == [drawn for _, drawn in example.inputs]
    assert example.steps
    (by_hand,) = re.findall(r"^```sql\n(.*?)^```$", SECTIONS["Recompute a retained second"], re.MULTILINE | re.DOTALL)
    for step in example.steps:
        project = request.getfixturevalue("with_other_settings") if step.setting else with_defaults
        built = build(project, *step.deliveries)
        counted = re.findall(r"\| counts (\w+):", "\n".join(step.told))
        assert step.told == outputs(built, example.ruler, counted), step.setting
        assert built.failed_checks == ()
        closed = [row for row in built.tables["fct_opco_connections"] if row["disconnected_at"] is not None]
        with duckdb.connect() as connection:
            for name in ("fct_opco_connections", "warehouse_build"):
                connection.register(name, pa.Table.from_pylist(built.tables[name]))
            recomputed = connection.execute(by_hand).fetchall()
        assert len(recomputed) == len(closed)
        assert all(row[-1] == row[-2] for row in recomputed)
        assert sum(row["retained_seconds"] for row in closed) == sum(
            row["retained_seconds"] for row in built.tables["fct_learner_sessions"]
        )


def test_every_way_a_connection_can_be_is_drawn() -> None:
    told = "\n".join(line for example in EXAMPLES for step in example.steps for line in step.told)
    drawn = re.findall(r"=> \S+ \S+ (\w+), (\w+):", told)
    assert {end_kind for end_kind, _ in drawn} == {row["end_kind"] for row in seed("end_kinds")}
    assert {level for _, level in drawn} == {row["evidence_level"] for row in seed("evidence_levels")}
    flags = {flag for flags in re.findall(r"flags ([a-z_ ]+)", told) for flag in flags.split()}
    assert flags == {row["flag"] for row in seed("connection_flags")}
    rules = {example.heading[:2] for example in EXAMPLES if re.match(r"T\d ", example.heading)}
    assert rules == {f"T{number}" for number in range(1, 9)}


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("End kinds", "end_kinds"),
        ("Evidence levels", "evidence_levels"),
        ("Flags", "connection_flags"),
        ("Reject reasons", "reject_reasons"),
    ],
)
def test_every_code_stands_in_the_page_in_the_words_of_its_seed(heading: str, name: str) -> None:
    rows = seed(name)
    told = table_rows(SECTIONS[heading])
    assert [cells[:2] for cells in told] == [[f"`{next(iter(row.values()))}`", row["description_en"]] for row in rows]
    assert all(len(cells) >= 3 and cells[-1] for cells in told)
    if name == "evidence_levels":
        assert [cells[2] for cells in told] == [row["strength"] for row in rows]
    if name == "end_kinds":  # "a sign behind the last six"
        assert [row["is_explicit_end"] for row in rows] == ["true"] * 3 + ["false"] * 6


def test_every_setting_stands_in_the_page_with_its_default_and_an_example() -> None:
    defaults = rule_settings()
    told = table_rows(SECTIONS["Settings"])
    assert {cells[0].strip("`"): cells[1] for cells in told} == {
        name: "none" if value is None else str(value) for name, value in defaults.items()
    }
    changed = [step.setting for example in EXAMPLES for step in example.steps if step.setting]
    assert {name for name, _ in changed} == set(defaults)
    assert all(str(defaults[name]) != value for name, value in changed)


def test_every_reject_reason_has_an_example_that_is_rejected_for_it(with_defaults: Project, tmp_path: Path) -> None:
    good: dict[str, dict[str, str]] = {
        "program_sessions": {"session_id": "C", "program_template_id": "program", "name": "C"},
        "courses": {"course_id": "Access", "name": "Access"},
        "user_custom_field_values": {"user_id": "ada", "custom_field_id": "none", "value": "x"},
        "group_members": {"group_id": "none", "user_id": "ada"},
        "assessment_results": {"result_id": "1", "user_id": "ada", "session_id": "A", "assessment_id": "none"},
        "course_connections": {
            "user_id": "ada", "session_id": "A", "course_id": "Word", "connected_at": "2026-10-05 09:00:00Z"
        },
        "learning_events": {
            "event_id": "1", "user_id": "ada", "session_id": "A", "course_id": "Word", "verb": "active",
            "occurred_at": "2026-10-05 09:00:00Z",
        },
    }  # fmt: skip
    delivery = base()
    expected = set()
    for code, _, example, _ in table_rows(SECTIONS["Reject reasons"]):
        reason = code.strip("`")
        table, column, value = re.findall(r"^`(\w+)(?:\.(\w+))?` = (?:`(.*?)`|empty)", example)[0]
        if reason == "malformed_line":
            source, target = tmp_path / f"{table}.csv", tmp_path / "archived.parquet"
            source.write_text(f"course_id,name\n{value}\nWord,Word\n", encoding="utf-8")
            assert read_file(source, raw_tables()[table], source.name, target).rows == 2
            lines = duckdb.sql(f"select malformed_line from read_parquet('{target}') order by line").fetchall()
            assert lines == [(value,), (None,)]
        else:
            delivery.setdefault(f"{table}.csv", []).append({**good[table], column: value})
            expected.add((table, reason, column, value or None))
    assert f"{CLOCK:%Y-%m-%d %H:%M:%S}Z" in SECTIONS["Reject reasons"]
    built = build(with_defaults, delivery)
    rejected = [row for row in built.tables["rejected_rows"] if not row["row_kept"]]
    found = {(row["table_name"], row["reason"], row["column_name"], row["value"]) for row in rejected}
    assert found == expected
    assert len(rejected) == len(expected) == len(seed("reject_reasons")) - 1


def test_a_made_connection_id_can_be_made_by_hand(with_defaults: Project) -> None:
    ((key, made),) = re.findall(r'`(\["ada".*?\])`.*?`([0-9a-f]{32})`', section("T4"), re.DOTALL)
    assert hashlib.sha256(key.encode()).hexdigest()[:32] == made
    example = next(example for example in EXAMPLES if example.heading.startswith("T2 "))
    built = build(with_defaults, *example.steps[0].deliveries)
    assert made in [row["connection_id"] for row in built.tables["fct_opco_connections"]]


def test_every_rule_names_the_models_that_compute_it() -> None:
    properties = yaml.safe_load(
        (PROJECT_DIR / "models" / "intermediate" / "_intermediate__models.yml").read_text(encoding="utf-8")
    )
    described = {model["name"]: model["description"] for model in properties["models"]}
    for number in range(1, 8):
        citing = {
            name for name, description in described.items() if re.search(rf"\((?:[^)]*, )?T{number}\b", description)
        }
        assert citing
        assert citing <= set(re.findall(r"`(\w+)`", section(f"T{number}"))), number
    models = {path.stem for path in (PROJECT_DIR / "models").rglob("*.sql")}
    assert set(re.findall(r"`((?:stg|int|dim|fct|bridge)_\w+)`", PAGE)) <= models
