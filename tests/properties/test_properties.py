"""Properties that hold for any raw folder, held against the project's own SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.properties.built import (
    CLOCK,
    Built,
    Cells,
    Project,
    RawFolder,
    Row,
    build,
    build_one_by_one,
    table_of,
)
from tests.properties.conftest import STRICT, examples
from tests.properties.folders import GROWING, PILING, identities, parts, raw_folders, retold, shuffled
from tests.properties.reference import EPOCH, Answer, Rules, answer

pytestmark = pytest.mark.xdist_group("properties")

FIRST_INSTANT = datetime(1, 1, 1)  # noqa: DTZ001 - the marts' instants are UTC and carry no zone
KEYS = {"course_connections": "connection_id", "learning_events": "event_id"}
MADE_KEY = ("user_id", "session_id", "course_id", "connected_at")


# T3: two runs of one event each, alike in everything but the event, of which T4 keeps one.
TWO_ENDS_AT_ONCE: RawFolder = {
    "program_templates.csv": [{"program_template_id": "p", "name": "Programme"}],
    "program_sessions.csv": [
        {"session_id": "s", "program_template_id": "p", "name": "Session", "starts_at": "", "ends_at": ""}
    ],
    "courses.csv": [{"course_id": "c", "name": "Course"}],
    "users.csv": [{"user_id": "u", "email": "", "status": "", "deleted_at": ""}],
    "learning_events.csv": [
        {
            "event_id": event_id,
            "user_id": "u",
            "session_id": "s",
            "course_id": "c",
            "verb": "disconnected",
            "occurred_at": "2026-09-01T08:00:00Z",
            "attempt_id": "",
        }
        for event_id in ("1", "2")
    ],
}


@examples(13)
@given(folder=raw_folders(), identities=identities())
@example(folder=TWO_ENDS_AT_ONCE, identities={})
def test_a_build_keeps_the_rules(project: Project, folder: RawFolder, identities: dict[str, int]) -> None:
    keeps_the_rules(project, Rules(), folder, identities=identities)


@examples(13)
@given(folder=raw_folders(), identities=identities())
def test_a_build_with_other_settings_keeps_the_rules(
    strict_project: Project, folder: RawFolder, identities: dict[str, int]
) -> None:
    keeps_the_rules(strict_project, STRICT, folder, identities=identities)


def keeps_the_rules(
    project: Project, rules: Rules, *deliveries: RawFolder, identities: dict[str, int] | None = None
) -> Built:
    built = build(project, *deliveries, identities=identities)
    expected = answer(deliveries, rules, CLOCK, identities)
    rows_have_their_fates(built, expected)
    connections_are_those_of_the_reference(built, expected, rules)
    runs_never_overlap(built)
    retained_seconds_stay_within_the_union(built, rules)
    row_counts_reconcile(built, expected)
    assert built.failed_checks == ()
    return built


def rows_have_their_fates(built: Built, expected: Answer) -> None:
    row_statuses = {
        (table, row["file"], row["line"]): row["row_status"]
        for table in GROWING
        for row in built.tables[f"stg_{table}"]
        if row["row_status"] not in ("superseded_version", "gone", "withdrawn_gone")
    }
    assert row_statuses == {
        place: row_status for place, row_status in expected.row_statuses.items() if place[0] in GROWING
    }
    gone = [
        (table, row["file"], row["line"], row[KEYS[table]] or tuple(row[column] for column in MADE_KEY))
        for table in GROWING
        for row in built.tables[f"stg_{table}"]
        if row["row_status"] == "gone"
    ]
    wanted = [
        (table, file, line, (*key[:-1], read_instant(key[-1])) if isinstance(key, tuple) else key)
        for table, file, line, key in expected.gone
        if table in GROWING
    ]
    assert sorted(gone, key=repr) == sorted(wanted, key=repr)
    lost = {
        (row["table_name"], row["row_id"], row["happened_on"].isoformat())
        for row in built.tables["gone_rows"]
        if not row["is_kept"]
    }
    assert lost == expected.lost
    rejects = [
        (
            row["table_name"], row["file"], row["line"],
            row["reason"], row["column_name"], row["value"], row["row_kept"],
        )
        for row in built.tables["rejected_rows"]
        if row["table_name"] in (*GROWING, "enrollments", "session_instructors")
    ]  # fmt: skip
    assert sorted(rejects, key=repr) == sorted(map(tuple, expected.rejects), key=repr)


def connections_are_those_of_the_reference(built: Built, expected: Answer, rules: Rules) -> None:
    found = [
        (
            row["connection_id"], row["user_id"], row["session_id"], row["course_id"],
            microseconds(row["connected_at"]), microseconds(row["disconnected_at"]), row["connected_on"].isoformat(),
            row["end_kind"], row["evidence_level"], row["modality"], row["has_delivered_modality"],
            row["elapsed_seconds"], row["capped_seconds"], row["overlap_seconds"], row["retained_seconds"],
            row["time_spent_minutes"],
            row["is_overlapped_in_session"], row["is_overlapped_outside_session"],
            row["is_overlapped_by_other_account"], row["flags"],
        )
        for row in built.tables["fct_opco_connections"]
    ]  # fmt: skip
    wanted = [
        (
            one.connection_id, one.user_id, one.session_id, one.course_id,
            one.connected_at, one.disconnected_at, one.connected_on(rules),
            one.end_kind, one.evidence_level, one.modality or "async", one.modality is not None,
            one.elapsed, one.capped, one.overlap, one.retained,
            one.minutes,
            one.is_overlapped_in_session, one.is_overlapped_outside_session,
            one.is_overlapped_by_other_account, one.flags,
        )
        for one in expected.connections
    ]  # fmt: skip
    assert sorted(found, key=repr) == sorted(wanted, key=repr)


def read_instant(microseconds: int) -> datetime:
    return EPOCH.replace(tzinfo=None) + timedelta(microseconds=microseconds)


def microseconds(instant: datetime | None) -> int | None:
    return None if instant is None else (instant - EPOCH.replace(tzinfo=None)) // timedelta(microseconds=1)


def closed_by(built: Built, column: str) -> list[list[Row]]:
    """Closed connections in the order of time, in groups of one account (`user_id`) or of one person (`person_id`)."""
    learners = {row["user_id"]: row for row in built.tables["dim_learners"]}
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(built.tables["fct_opco_connections"], key=lambda row: row["connected_at"]):
        if row["disconnected_at"] is not None:
            groups[learners[row["user_id"]][column]].append(row)
    return list(groups.values())


def runs_never_overlap(built: Built) -> None:
    for rows in closed_by(built, "user_id"):
        covered_until = FIRST_INSTANT
        for row in sorted(rows, key=lambda row: (row["connected_at"], row["disconnected_at"])):
            if row["evidence_level"] == "event_run" and row["end_kind"] != "no_end_mark":
                assert row["connected_at"] >= covered_until, row
                covered_until = row["disconnected_at"]


def retained_seconds_stay_within_the_union(built: Built, rules: Rules) -> None:
    for rows in closed_by(built, "person_id"):
        union, covered_until = timedelta(), FIRST_INSTANT
        for row in rows:
            counted_until = row["disconnected_at"]
            if rules.max_connection_minutes is not None:
                counted_until = min(
                    counted_until, row["connected_at"] + timedelta(minutes=rules.max_connection_minutes)
                )
            union += max(timedelta(), counted_until - max(row["connected_at"], covered_until))
            covered_until = max(covered_until, counted_until)
        short = union - timedelta(seconds=sum(row["retained_seconds"] for row in rows))
        assert timedelta() <= short < timedelta(seconds=len(rows)), rows
        if all(row[end].microsecond == 0 for row in rows for end in ("connected_at", "disconnected_at")):
            assert short == timedelta(), rows


def row_counts_reconcile(built: Built, expected: Answer) -> None:
    for table in (*GROWING, "enrollments", "session_instructors"):
        row_statuses = [
            row_status for (of_table, _, _), row_status in expected.row_statuses.items() if of_table == table
        ]
        reconciliation = built.reconciliation(table)
        assert reconciliation["delivered"] == len(row_statuses)
        for row_status in ("kept", "rejected", *["withdrawn"] * (table in GROWING)):
            assert reconciliation[row_status] == row_statuses.count(row_status), (table, row_status)
        assert reconciliation["duplicate"] == row_statuses.count("duplicate") + row_statuses.count("conflicting"), table
        contradicting = sum(place[0] == table for place in expected.contradicting)
        assert reconciliation["conflicting"] == row_statuses.count("conflicting") + contradicting, table
        assert reconciliation["gone"] == sum(gone[0] == table for gone in expected.gone), table
    events, connections = built.reconciliation("learning_events"), built.reconciliation("course_connections")
    assert (events["outside_session"], events["superseded"], connections["superseded"]) == (
        list(expected.row_statuses.values()).count("outside_session"),
        expected.superseded_made,
        expected.superseded_delivered,
    )


@examples(4)
@given(folder=raw_folders())
def test_files_may_be_loaded_in_any_order_and_again(project: Project, folder: RawFolder) -> None:
    at_once = build(project, folder).marts()
    first, second, third = parts(folder, 3)
    assert build(project, first, second, third).marts() == at_once
    # Only the first file is sure to be there, and a delivery must hold one of the two tables or have held it.
    assert build(project, first | third, second, first).marts() == at_once
    assert build(project, folder, folder).marts() == at_once


@examples(9)
@given(folder=raw_folders(), other=raw_folders(), random=st.randoms(use_true_random=False))
def test_what_a_file_delivered_again_no_longer_holds_stays(
    project: Project, folder: RawFolder, other: RawFolder, random: Random
) -> None:
    keeps_the_rules(project, Rules(), *retold(folder, other, random))


@examples(4)
@given(folder=raw_folders(), random=st.randoms(use_true_random=False))
def test_rows_with_distinct_keys_may_stand_in_any_file_and_line(
    project: Project, folder: RawFolder, random: Random
) -> None:
    distinct = without_duplicates(folder)
    unplaced = {"rejected_rows": ("file", "line")}
    facts = build(project, distinct).marts(leave_out=unplaced)
    in_one_file = shuffled(distinct, random, lambda table, _: f"{table}.csv")
    assert build(project, in_one_file).marts(leave_out=unplaced) == facts
    in_many_files = shuffled(distinct, random, lambda table, number: f"{table}/{number}.jsonl")
    assert build(project, in_many_files).marts(leave_out=unplaced) == facts


def without_duplicates(folder: RawFolder) -> RawFolder:
    row_statuses = answer([folder], Rules(), CLOCK).row_statuses
    return {
        path: [
            cells
            for line, cells in enumerate(rows, start=1 if path.endswith(".jsonl") else 2)
            if row_statuses.get((table_of(path), path, line)) not in ("duplicate", "conflicting")
        ]
        for path, rows in folder.items()
    }


@examples(4)
@given(folder=raw_folders(), random=st.randoms(use_true_random=False))
def test_what_is_no_longer_delivered_proves_as_before(project: Project, folder: RawFolder, random: Random) -> None:
    tidied = {
        path: rows if table_of(path) == "session_instructors" else [cells for cells in rows if random.random() < 0.5]
        for path, rows in folder.items()
        if table_of(path) not in PILING
    }
    before = build(project, folder).marts()
    after = keeps_the_rules(project, Rules(), folder, tidied).marts()
    for mart in ("fct_opco_connections", "fct_learner_sessions"):
        assert after[mart] == before[mart]


LATER = CLOCK + timedelta(minutes=6)


@examples(9)
@given(
    folder=raw_folders(),
    other=raw_folders(),
    random=st.randoms(use_true_random=False),
    count=st.sampled_from([2, 4, 6, 10]),
    identities=identities(),
)
def test_builds_that_go_on_end_where_a_full_build_does(
    strict_project: Project,
    folder: RawFolder,
    other: RawFolder,
    random: Random,
    count: int,
    identities: dict[str, int],
) -> None:
    # Files come late, come again, with rows less, with none, with other content, with content that they had before, and
    # under other names with the same keys; snapshots change or not; learners and sessions come after the rows that
    # point to them; e-mails change, and with them who is one person; the clock moves on.
    first, second = parts(folder, 2)
    without_references = first | {
        "enrollments.csv": [],
        "users.csv": first["users.csv"][:1],
        "program_sessions.csv": first["program_sessions.csv"][:1],
    }
    corrected: dict[str, Sequence[Cells]] = {
        path: [cells for cells in rows if random.random() < 0.8] if random.random() < 0.5 else rows
        for path, rows in folder.items()
    }
    other_events = {path: rows for path, rows in other.items() if table_of(path) in PILING}
    renamed = {
        f"{table_of(path)}/{random.choice('0z')}{number}{path[path.index('.') :]}": rows
        for number, (path, rows) in enumerate(other_events.items())
    }
    emails = [cells["email"] for cells in second["users.csv"]]
    moved: RawFolder = {
        "users.csv": [
            {**cells, "email": email}
            for cells, email in zip(second["users.csv"], [*emails[1:], emails[0]], strict=True)
        ]
    }
    history: list[RawFolder] = [
        without_references, first, second, {**second, **moved}, corrected | renamed, corrected | other_events,
        *retold(first, other, random),
    ]  # fmt: skip
    deliveries = history[:count]
    clocks = [*[CLOCK] * 3, *[LATER] * len(history)][:count]
    only_loaded = [number for number in range(len(deliveries) - 1) if random.random() < 0.25]
    one_by_one = build_one_by_one(
        strict_project, *deliveries, clocks=clocks, only_loaded=only_loaded, identities=identities
    )
    assert one_by_one.failed_checks == ()
    assert one_by_one.marts() == build(strict_project, *deliveries, clocks=clocks, identities=identities).marts()
