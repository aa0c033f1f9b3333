"""A forgotten learner is in no delivery, no state and no report, and no pull brings the name back."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from connectors.delivery import current_delivery, deliver
from connectors.forgetting import forget_in_deliveries
from connectors.report import Finding, SourceReport
from connectors.source import PullContext
from tests.connectors.test_delivery import START, ListSource, write
from warehouse.forgotten import Identifiers
from warehouse.search import files_under, search

ADA = Identifiers(single=("ada@x.fr",), pairs=(("Ada", "Byron"),))


class School(ListSource):
    """Two people, one of whom is left out of something by name."""

    def pull(self, context: PullContext) -> SourceReport:
        people = "(values ('1', 'Ada', 'Byron', 'ada@x.fr'), ('2', 'Bea', 'Ader', 'bea@x.fr'))"
        names = "people (user_id, first_name, last_name, email)"
        write(context.snapshot_file("users"), f"from {people} as {names}")
        write(context.snapshot_file("user_labels"), f"select user_id, 'L' as label from {people} as {names}")
        write(context.growing_file("learning_events"), f"select user_id as event_id, user_id from {people} as {names}")
        write(context.state_file("people.parquet"), f"from {people} as {names}")
        examples = ("Ada Byron: no course", "Bea Ader: no course")
        finding = Finding(code="none", level="left_out", text="lines", count=2, examples=examples)
        return SourceReport(rows={"users": 2}, findings=(finding,))


def rows(folder: Path, name: str) -> list[tuple[str | None, ...]]:
    return duckdb.sql(f"from read_parquet('{folder / name}') order by all").fetchall()


def test_a_forgotten_learner_is_in_no_delivery(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    first = deliver(root, {"school": School()}, home=tmp_path, started_at=START).folder
    assert search(files_under(root), ADA)
    changed = {path.relative_to(first).as_posix() for path in forget_in_deliveries(root, "1", ADA)}
    assert changed == {
        "users/school.parquet", "user_labels/school.parquet", "_school-people.parquet", "_school-report.json"
    }  # fmt: skip
    assert search(files_under(root), ADA) == []
    assert rows(first, "users/school.parquet") == [("1", None, None, None), ("2", "Bea", "Ader", "bea@x.fr")]
    assert rows(first, "user_labels/school.parquet") == [("2", "L")]
    assert rows(first, "_school-people.parquet") == [("2", "Bea", "Ader", "bea@x.fr")]
    report = json.loads((first / "_school-report.json").read_text(encoding="utf-8"))["report"]
    assert report["findings"][0]["examples"] == ["Bea Ader: no course"]
    # What happened stays under the id.
    (events,) = (first / "learning_events").iterdir()
    assert [event for event, _ in rows(first, f"learning_events/{events.name}")] == ["1", "2"]
    assert forget_in_deliveries(root, "1", ADA) == []


def test_a_pull_does_not_bring_a_forgotten_learner_back(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    deliver(root, {"school": School()}, home=tmp_path, started_at=START, forgotten=["1"])
    folder = current_delivery(root)
    assert folder is not None
    assert rows(folder, "users/school.parquet") == [("1", None, None, None), ("2", "Bea", "Ader", "bea@x.fr")]
    assert rows(folder, "user_labels/school.parquet") == [("2", "L")]
