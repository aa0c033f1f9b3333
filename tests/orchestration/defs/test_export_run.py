"""Exports as Dagster runs: what is recorded of them, with checks that hold and checks that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from orchestration.defs.export.file import SUMMARY, make_at_once
from orchestration.home.paths import HOME_VARIABLE, Home
from orchestration.runs.jobs import run_job
from orchestration.runs.progress import NoProgress
from reports.export.write import FileNotSoundError
from warehouse.errors import UserError
from warehouse.files import sha256_of
from warehouse.published import BuildRecord, open_published, write_record

PUBLISHED = Path(__file__).parents[2] / "reports" / "export" / "published.sql"
DEFINITIONS = """
[exports.excel]
users = ["U99"]
format = "xlsx"
language = "fr"

[exports.hours]
where = ["Site=Lille", "Site=Arras"]
session_ids = ["S10"]
decimal_hours = true
"""


@pytest.fixture
def home(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    home.published.mkdir(parents=True)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute(PUBLISHED.read_text(encoding="utf-8"))
    put_on_record(home)
    home.settings_file.write_text(DEFINITIONS)
    monkeypatch.setenv(HOME_VARIABLE, str(home.folder))
    return home


def put_on_record(home: Home) -> None:
    """Let the published file be what was published."""
    file = home.warehouse.resolve()
    record = BuildRecord("x", "2026-11-10T06:00:00Z", "2026-11-10T06:00:00Z", file.stat().st_size, sha256_of(file), {})
    write_record(file, record)


def run(
    home: Home, instance: dg.DagsterInstance, job: str = "export", file: Path | None = None, **config: Any
) -> dict[str, dict[str, Any]]:
    ops = {"opco_export": config}
    return run_job(home, job, ops, instance=instance, progress=NoProgress(), output=file)


def checks(instance: dg.DagsterInstance) -> dict[str, bool]:
    records = instance.get_records_for_run(instance.get_runs()[0].run_id).records
    found = [record.event_log_entry.asset_check_evaluation for record in records]
    return {one.check_name: one.passed for one in found if one is not None}


def test_a_run_records_what_it_made_and_its_checks(home: Home) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        made = run(home, instance, users=["U99", "U7"], format="parquet", output="x.parquet")["opco_export"]

        assert checks(instance) == {"lines": True, "header": True, "values": True}
    assert (made["dagster/row_count"], made["learners"], made["format"]) == (6, 2, "parquet")
    assert made["path"] == str(home.exports / "x.parquet")
    assert made["filters"]["users"] == ["U99", "U7"]


def test_the_job_of_a_definition_makes_its_export(home: Home) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        made = run(home, instance, "export_excel", definition="excel")["opco_export"]

    assert Path(made["path"]).name.startswith("opco-excel-2026-11-10-")
    assert Path(made["path"]).suffix == ".xlsx"
    assert made["dagster/row_count"] == 5


def test_a_definition_filters_by_field_and_id_and_adds_decimal_hours(home: Home) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        made = run(home, instance, "export_hours", definition="hours")["opco_export"]

    assert (made["filters"]["where"], made["filters"]["session_ids"]) == (["Site=Lille", "Site=Arras"], ["S10"])
    lines = Path(made["path"]).read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].endswith(";Time spent;Time spent (hours)")
    assert [line.rpartition(";")[2] for line in lines[1:]] == ["0,0166666667", "0"]


def test_what_a_page_made_is_put_on_record_as_if_the_run_had_made_it(home: Home) -> None:
    config: dict[str, Any] = {"users": ["U99"], "by_id": True, "format": "csv", "dialect": "excel", "language": "fr"}
    with open_published(home.warehouse) as db:
        summary, facts = make_at_once(db, home, config)
    content = summary.path.read_bytes()
    summary.path.unlink()
    with dg.DagsterInstance.ephemeral() as instance:
        made = SUMMARY.dump_json(summary).decode()
        told = run_job(home, "export", {"opco_export": config}, instance=instance, progress=NoProgress(), made=made)[
            "opco_export"
        ]

        assert told == facts
        assert checks(instance) == {"lines": True, "header": True, "values": True}
        # Nothing was made once more, and what is made by a run is the same file under the same name.
        assert not summary.path.exists()
        again = run(home, instance, **config)["opco_export"]
    assert again == facts
    assert summary.path.read_bytes() == content


def test_the_suffix_of_the_output_decides_where_no_format_is_given(home: Home) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(home, instance, output="x.xlsx")["opco_export"]["format"] == "xlsx"
        assert run(home, instance, output="x.xlsx", format="csv")["opco_export"]["format"] == "csv"


def test_a_check_that_does_not_hold_is_recorded_and_no_file_is_left(home: Home) -> None:
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("update fct_opco_connections set course_name = 'Autre' where connection_id = 'c9'")
    put_on_record(home)
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(FileNotSoundError):
            run(home, instance)

        assert checks(instance) == {"lines": True, "header": True, "values": False}
        assert instance.get_runs()[0].status is dg.DagsterRunStatus.FAILURE
    assert list(home.exports.iterdir()) == []


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"date_from": "31/09/2026"}, "10/11/2026"),
        ({"date_from": "2026-09-02", "date_to": "2026-09-01"}, "before its first"),
        ({"groups": ["Nord"]}, 'No group "Nord"'),
        ({"groups": ["@/etc/passwd"]}, 'No group "@/etc/passwd"'),
        ({"format": "xls"}, "csv, xlsx, parquet"),
        ({"definition": "word"}, "Defined: excel, hours"),
        ({"recipients": ["a@exemple.fr"]}, "these settings are needed"),
        ({"output": "var/home.json"}, "name of a file in"),
        ({"output": "../../csrf_proof.csv"}, "name of a file in"),
        ({"output": "/tmp/csrf_proof.csv"}, "name of a file in"),
        ({"output": "a/x.csv"}, "name of a file in"),
        ({"output": "x.csv/"}, "name of a file in"),
        ({"output": ".x.csv"}, "name of a file in"),
        ({"output": ".."}, "name of a file in"),
        ({"output": ""}, "name of a file in"),
        ({"output": "x\n.csv"}, "name of a file in"),
    ],
)
def test_the_configuration_of_a_run_is_judged_as_the_command_is(home: Home, config: dict[str, Any], words: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(UserError, match=words):
        run(home, instance, **config)


OWN_PLACES = ("opco.toml", "assets/logo.png", "var/home.json", "var/home", "var", "var/exports", "var/x.csv",
              "var/published/opco.duckdb", "var/deliveries/x.csv", "var/portal/audit.jsonl",
              "var/exports/../home.json")  # fmt: skip


@pytest.mark.parametrize("place", OWN_PLACES)
def test_a_command_writes_nothing_over_the_home_but_exports(home: Home, tmp_path: Path, place: str) -> None:
    home.exports.mkdir(parents=True)
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(UserError, match="among the home's own files"):
            run(home, instance, file=home.folder / place)
        (tmp_path / "link.csv").symlink_to(home.folder / place)
        with pytest.raises(UserError, match="among the home's own files"):
            run(home, instance, file=tmp_path / "link.csv")
        assert run(home, instance, file=home.exports / "mine.csv")["opco_export"]["path"]


def test_no_file_that_is_no_export_is_written_over(home: Home, tmp_path: Path) -> None:
    home.exports.mkdir(parents=True)
    with dg.DagsterInstance.ephemeral() as instance:
        for folder in (home.exports, tmp_path):
            mine, about = folder / "notes.csv", folder / "package.json"
            mine.write_text("mine")
            about.write_text('{"name": "mine"}')
            for file in (mine, folder / "package"):
                named = {"output": file.name} if folder == home.exports else {"file": file}
                with pytest.raises(UserError, match="is there already, and is no export"):
                    run(home, instance, **named)
            assert (mine.read_text(), about.read_text()) == ("mine", '{"name": "mine"}')
        # An export takes the place of the one before.
        for _ in range(2):
            run(home, instance, output="again.csv")
            run(home, instance, file=tmp_path / "again.csv")
