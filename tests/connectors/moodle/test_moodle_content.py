"""Whether anything changed in Moodle is told by its rows, in whatever order the database gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.connectors.moodle.sites import USERS, mapped


def content(folder: Path, *users: dict[str, Any], **options: Any) -> dict[str, str]:
    found = mapped(folder, {"user": users}, **options)
    try:
        return found.mapping.content()
    finally:
        found.mapping.close()


def test_the_order_of_rows_and_the_hour_change_nothing(tmp_path: Path) -> None:
    users = [dict(user) for user in USERS]
    before = content(tmp_path / "a", *users)
    assert content(tmp_path / "b", *reversed(users), started_at=5, low=7) == before


def test_one_cell_or_one_setting_is_a_change(tmp_path: Path) -> None:
    users = [dict(user) for user in USERS]
    before = content(tmp_path / "a", *users)
    for number, changed in enumerate(
        (
            [*users[:2], {**users[2], "idnumber": ""}],
            [*users, users[2]],
            [{**users[0], "email": users[1]["email"]}, {**users[1], "email": users[0].get("email")}, users[2]],
        )
    ):
        after = content(tmp_path / f"b{number}", *changed)
        assert {name for name in after if after[name] != before[name]} == {"user"}
    after = content(tmp_path / "c", *users, learner_roles=("teacher",))
    assert {name for name in after if after[name] != before[name]} == {"mapping"}
