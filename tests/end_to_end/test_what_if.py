"""`opco what-if` on the real campus."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pytest

from tests.commands import Opco, result_of
from warehouse.errors import OpcoError, UserError
from warehouse.what_if import what_if

pytestmark = pytest.mark.xdist_group("campus")

SESSION = "S-BUR-2026-10"


def files_of(home: Path) -> dict[str, str]:
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("var/build", "var/published")
        for path in sorted((home / folder).rglob("*"))
        if path.is_file()
    }


def test_it_shows_each_timeout_and_changes_nothing(campus_home: Path, opco: Opco) -> None:
    before = files_of(campus_home)
    found = result_of(opco("what-if", SESSION, "--minutes", "30,5", "--json", home=campus_home))
    assert files_of(campus_home) == before
    assert found["minutes_in_force"] == 15
    minutes = [one["inactivity_timeout_minutes"] for one in found["totals"]]
    assert minutes == [5, 15, 30]
    with duckdb.connect(str((campus_home / "var/published/opco.duckdb").resolve()), read_only=True) as published:
        held = dict(
            published.execute(
                "select user_id, retained_seconds from fct_learner_sessions where session_id = $1", [SESSION]
            ).fetchall()
        )
    assert {row["user_id"]: row["at_timeouts"][1]["retained_seconds"] for row in found["learners"]} == held
    assert found["totals"][0]["retained_seconds"] < sum(held.values()) < found["totals"][2]["retained_seconds"]
    shown = opco("what-if", SESSION, home=campus_home).stdout.splitlines()
    assert shown[0].endswith("in force: 15 minutes")
    assert [word for word in shown[1].split() if word.isdigit()] == ["5", "10", "15", "20", "30"]
    assert len(shown) == len(held) + 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["S-BUR-2026-1"], ["S-BUR-2026-1", SESSION]),
        ([SESSION, "--minutes", "5;10"], ["5;10", "5,10,15"]),
        ([SESSION, "--minutes", "0"], ["0", "1 to 525600"]),
    ],
)
def test_what_it_cannot_answer(campus_home: Path, opco: Opco, arguments: list[str], words: list[str]) -> None:
    finished = opco("what-if", *arguments, home=campus_home)
    assert finished.returncode == 2
    assert all(word in finished.stderr for word in words), finished.stderr


def test_nothing_is_built(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing is built yet"):
        what_if(tmp_path / "opco.duckdb", SESSION)


def test_a_build_that_the_models_do_not_give_is_not_compared(campus_home: Path, tmp_path: Path) -> None:
    changed = tmp_path / "opco.duckdb"
    changed.write_bytes((campus_home / "var/build/opco.duckdb").read_bytes())
    with duckdb.connect(str(changed)) as db:
        db.execute("update marts.fct_learner_sessions set retained_seconds = retained_seconds + 1 where user_id = '42'")
    with pytest.raises(OpcoError, match="of 42: it was made by other models"):
        what_if(changed, SESSION)
