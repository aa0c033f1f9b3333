"""What stays of users, sessions and programs that later deliveries no longer hold, once more in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.built import FIRST_LOAD, Built, Cells, Project, RawFolder, build, build_one_by_one, table_of
from tests.properties.conftest import examples

pytestmark = pytest.mark.xdist_group("properties-of-figures")

TOLD = ("email", "username", "first_name", "last_name", "additional_information", "employer")


def drawn(random: Random) -> RawFolder:
    """Return a delivery in which much may lack: users, fields, groups, sessions, and what belongs to them."""

    def some(rows: Sequence[Cells]) -> list[Cells]:
        return [cells for cells in rows if random.random() < 0.6]

    def word() -> str:
        return random.choice(("", "one", "two"))

    users = [
        {
            "user_id": user_id,
            "status": random.choice(("active", "active", "deleted")),
            "deleted_at": random.choice(("", "", "", "2026-09-01T10:00:00Z")),
            **{column: word() for column in TOLD},
        }
        for user_id in ("u", "v", "w")
    ]
    pairs = [(user_id, place) for user_id in ("u", "v", "w") for place in ("a", "b")]
    folder: dict[str, list[Cells]] = {
        "users/1.csv": some(users),
        "users/2.csv": [{**cells, "status": random.choice(("active", "deleted"))} for cells in some(users)[:1]],
        "program_templates.csv": some([{"program_template_id": one, "name": word() or "n"} for one in ("p", "q")]),
        "program_sessions.csv": some(
            [{"session_id": one, "program_template_id": random.choice("pq"), "name": "n"} for one in ("s", "t")]
        ),
        "courses.csv": [{"course_id": "c", "name": "n"}],
        "learning_events.csv": [],
        "custom_fields.csv": some([{"custom_field_id": one, "title": one} for one in ("a", "b")]),
        "groups.csv": some([{"group_id": one, "name": one} for one in ("a", "b")]),
        "user_labels.csv": some([{"user_id": user_id, "label": place} for user_id, place in pairs]),
        "user_custom_field_values.csv": some(
            [{"user_id": user_id, "custom_field_id": place, "value": word()} for user_id, place in pairs]
        ),
        "group_members.csv": some(
            [{"user_id": user_id, "group_id": place, "role": word()} for user_id, place in pairs]
        ),
        "session_instructors.csv": some(
            [
                {"session_id": session_id, "user_id": user_id, "is_main": random.choice(("yes", "no"))}
                for session_id in ("s", "t")
                for user_id in ("u", "v")
            ]
        ),
        "program_steps.csv": some(
            [
                {"program_template_id": template, "position": position, "step_type": "course", "resource_id": "c"}
                for template in ("p", "q")
                for position in ("1", "2")
            ]
        ),
    }  # fmt: skip
    optional = ("custom_fields", "groups", "user_labels", "user_custom_field_values", "group_members", "program_steps")
    return {path: rows for path, rows in folder.items() if table_of(path) not in optional or random.random() < 0.9}


def delivered(delivery: RawFolder, table: str) -> list[Cells]:
    return [cells for path in sorted(delivery) if table_of(path) == table for cells in delivery[path]]


def known(deliveries: Sequence[RawFolder], table: str, key: str, is_well: Callable[[Cells], bool]) -> dict[str, Cells]:
    """Every row by key as it was last delivered."""
    found: dict[str, Cells] = {}
    for delivery in deliveries:
        found |= {cells[key]: cells for cells in delivered(delivery, table) if is_well(cells)}
    return found


def is_deleted(cells: Cells) -> bool:
    return cells["status"] == "deleted" or bool(cells["deleted_at"])


def changes(states: Sequence[tuple[datetime, object]]) -> list[tuple[datetime, object]]:
    """Those of the states that are not as the one before."""
    return [state for number, state in enumerate(states) if number == 0 or states[number - 1][1] != state[1]]


class Expected:
    """What the marts must hold after these deliveries."""

    def __init__(self, deliveries: Sequence[RawFolder]) -> None:
        self.deliveries = deliveries
        self.now = deliveries[-1]
        self.users = known(deliveries, "users", "user_id", lambda _: True)
        templates = known(deliveries, "program_templates", "program_template_id", lambda _: True)
        self.sessions = known(
            deliveries, "program_sessions", "session_id", lambda cells: cells["program_template_id"] in templates
        )
        self.templates = templates
        self.fields = known(deliveries, "custom_fields", "custom_field_id", lambda _: True)
        self.groups = known(deliveries, "groups", "group_id", lambda _: True)
        present = {cells["user_id"] for cells in delivered(self.now, "users")}
        self.gone_users = {user_id for user_id in self.users if user_id not in present}

    def last_there(self, table: str, key: str, value: str, is_there: Callable[[Cells], bool]) -> RawFolder | None:
        """The last delivery that held the row, and in which it was there; the last row of a key counts."""
        for delivery in reversed(self.deliveries):
            rows = {cells[key]: cells for cells in delivered(delivery, table)}
            if value in rows and is_there(rows[value]):
                return delivery
        return None

    def of_user(self, user_id: str, table: str) -> list[Cells]:
        """His rows, the one that counts of a key last."""
        rows = [cells for cells in delivered(self.now, table) if cells["user_id"] == user_id]
        if user_id in self.gone_users or is_deleted(self.users[user_id]):
            earlier = self.last_there("users", "user_id", user_id, lambda cells: not is_deleted(cells))
            rows += [cells for cells in delivered(earlier or {}, table) if cells["user_id"] == user_id]
        return rows

    def history(self, user_id: str) -> list[tuple[datetime, object]]:
        """When each state of his was first delivered, and employer and custom fields then."""
        states: list[tuple[datetime, object]] = []
        for number, delivery in enumerate(self.deliveries, start=1):
            rows = {cells["user_id"]: cells for cells in delivered(delivery, "users")}
            if user_id in rows and not is_deleted(rows[user_id]):
                values = {
                    cells["custom_field_id"]: cells["value"]
                    for cells in delivered(delivery, "user_custom_field_values")
                    if cells["user_id"] == user_id and cells["custom_field_id"] in self.fields and cells["value"]
                }
                states.append(
                    (
                        (FIRST_LOAD + timedelta(hours=number)).replace(tzinfo=None),
                        (rows[user_id]["employer"] or None, values),
                    )
                )
        return changes(states)

    def of_owner(self, owner: str, table: str, owners: str, key: str) -> list[Cells]:
        """The rows of a session or program, the one that counts of a key last."""
        rows = [cells for cells in delivered(self.now, table) if cells[key] == owner]
        mine = self.sessions if owners == "program_sessions" else self.templates

        def is_there(cells: Cells) -> bool:
            return owners != "program_sessions" or cells["program_template_id"] in self.templates

        earlier = self.last_there(owners, key, owner, is_there)
        assert earlier is not None or owner not in mine
        if earlier is not self.now:
            rows += [cells for cells in delivered(earlier or {}, table) if cells[key] == owner]
        return rows

    def learner(self, user_id: str) -> tuple[object, ...]:
        last = self.users[user_id]
        told = last
        if is_deleted(last):
            earlier = self.last_there("users", "user_id", user_id, lambda cells: not is_deleted(cells))
            if earlier is not None:
                told = {cells["user_id"]: cells for cells in delivered(earlier, "users")}[user_id]
        labels = sorted({cells["label"] for cells in self.of_user(user_id, "user_labels")})
        return (
            user_id, user_id in self.gone_users, is_deleted(last), labels, *(told[column] or None for column in TOLD)
        )  # fmt: skip


@examples(12)
@given(random=st.randoms(use_true_random=False), count=st.sampled_from([2, 3, 5]))
def test_what_belongs_to_who_is_gone_stays(project: Project, random: Random, count: int) -> None:
    deliveries = [drawn(random) for _ in range(count)]
    if random.random() < 0.5:
        # told as before, in whole or in part: versions come back
        deliveries.append({**deliveries[-1], **{path: rows for path, rows in deliveries[0].items() if "u" in path}})
    built = build(project, *deliveries)
    assert built.failed_checks == ()
    holds(built, Expected(deliveries))
    only_loaded = [number for number in range(len(deliveries) - 1) if random.random() < 0.3]
    one_by_one = build_one_by_one(project, *deliveries, only_loaded=only_loaded)
    assert one_by_one.failed_checks == ()
    assert one_by_one.marts() == built.marts()


def holds(built: Built, expected: Expected) -> None:
    tables = built.tables
    learners = [
        (row["user_id"], row["is_gone"], row["is_deleted"], row["labels"], *(row[column] for column in TOLD))
        for row in tables["dim_learners"]
    ]
    assert sorted(learners, key=repr) == sorted(map(expected.learner, expected.users), key=repr)
    values = {
        (user_id, cells["custom_field_id"]): cells["value"]
        for user_id in expected.users
        for cells in expected.of_user(user_id, "user_custom_field_values")
        if cells["custom_field_id"] in expected.fields
    }
    found = {(row["user_id"], row["custom_field_id"]): row["value"] for row in tables["bridge_learner_custom_fields"]}
    assert found == {key: value for key, value in values.items() if value}
    for user_id in expected.users:
        periods = sorted(
            (row for row in tables["dim_learner_history"] if row["user_id"] == user_id),
            key=lambda row: row["period_number"],
        )
        # A field that was never delivered parts periods that show the same.
        shown = [(row["delivered_at"], (row["employer"], row["custom_fields"])) for row in periods]
        assert changes(shown) == expected.history(user_id)
        bounds = [row["delivered_at"] for row in periods[1:]]
        assert [row["valid_from"] for row in periods] == [None, *bounds][: len(periods)]
        assert [row["valid_until"] for row in periods] == [*bounds, None][: len(periods)]
    fields_now = {cells["custom_field_id"] for cells in delivered(expected.now, "custom_fields")}
    used = {field for (_, field), value in values.items() if value}
    assert {(row["custom_field_id"], row["is_gone"]) for row in tables["dim_custom_fields"]} == {
        (field, field not in fields_now) for field in expected.fields if field in fields_now or field in used
    }
    members = {
        (user_id, cells["group_id"]): cells["role"] or "learner"
        for user_id in expected.users
        for cells in expected.of_user(user_id, "group_members")
        if cells["group_id"] in expected.groups
    }
    assert {(row["user_id"], row["group_id"]): row["role"] for row in tables["bridge_group_members"]} == members
    instructors = {
        (session_id, cells["user_id"]): cells["is_main"] == "yes"
        for session_id in expected.sessions
        for cells in expected.of_owner(session_id, "session_instructors", "program_sessions", "session_id")
        if cells["user_id"] in expected.users
    }
    assert {
        (row["session_id"], row["user_id"]): row["is_main"] for row in tables["bridge_session_instructors"]
    } == instructors
    steps = {
        (template, int(cells["position"]))
        for template in expected.templates
        for cells in expected.of_owner(template, "program_steps", "program_templates", "program_template_id")
    }
    found_steps = [
        (row["program_template_id"], row["position"]) for row in tables["stg_program_steps"] if row["is_kept"]
    ]
    assert sorted(found_steps) == sorted(steps)
