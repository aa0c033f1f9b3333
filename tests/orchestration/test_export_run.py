"""Exports as Dagster runs: what is recorded of them, with checks that hold and checks that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from orchestration.defs.export.assets import defs
from orchestration.home import HOME_VARIABLE, Home
from orchestration.progress import NoProgress
from orchestration.runs import run_job
from reports.export.write import FileNotSoundError
from warehouse.errors import UserError

PUBLISHED = Path(__file__).parents[1] / "reports" / "export" / "published.sql"
DEFINITIONS = """
[exports.excel]
users = ["U99"]
format = "xlsx"
language = "fr"
"""


@pytest.fixture
def home(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    home.published.mkdir(parents=True)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute(PUBLISHED.read_text(encoding="utf-8"))
    home.settings_file.write_text(DEFINITIONS)
    monkeypatch.setenv(HOME_VARIABLE, str(home.folder))
    return home


def run(home: Home, instance: dg.DagsterInstance, job: str = "export", **config: Any) -> dict[str, dict[str, Any]]:
    return run_job(home, defs(), job, instance=instance, progress=NoProgress(), ops={"opco_export": config})


def checks(instance: dg.DagsterInstance) -> dict[str, bool]:
    records = instance.get_records_for_run(instance.get_runs()[0].run_id).records
    found = [record.event_log_entry.asset_check_evaluation for record in records]
    return {one.check_name: one.passed for one in found if one is not None}


def test_a_run_records_what_it_made_and_its_checks(home: Home) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        made = run(home, instance, users=["U99", "U7"], format="parquet", output="out/x.parquet")["opco_export"]

        assert checks(instance) == {"lines": True, "header": True, "values": True}
    assert (made["dagster/row_count"], made["learners"], made["format"]) == (6, 2, "parquet")
    assert made["path"] == str(home.folder / "out" / "x.parquet")
    assert made["filters"]["users"] == ["U99", "U7"]


def test_the_job_of_a_definition_makes_its_export(home: Home) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        made = run(home, instance, "export_excel", definition="excel")["opco_export"]

    assert Path(made["path"]).name.startswith("opco-excel-2026-11-10-")
    assert Path(made["path"]).suffix == ".xlsx"
    assert made["dagster/row_count"] == 5


def test_the_suffix_of_the_output_decides_where_no_format_is_given(home: Home) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(home, instance, output="x.xlsx")["opco_export"]["format"] == "xlsx"
        assert run(home, instance, output="x.xlsx", format="csv")["opco_export"]["format"] == "csv"


def test_a_check_that_does_not_hold_is_recorded_and_no_file_is_left(home: Home) -> None:
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("update fct_opco_connections set course_name = 'Autre' where connection_id = 'c9'")
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(FileNotSoundError):
            run(home, instance)

        assert checks(instance) == {"lines": True, "header": True, "values": False}
        assert instance.get_runs()[0].status is dg.DagsterRunStatus.FAILURE
    assert list(home.exports.iterdir()) == []


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"date_from": "01/09/2026"}, "YYYY-MM-DD"),
        ({"date_from": "2026-09-02", "date_to": "2026-09-01"}, "before its first"),
        ({"groups": ["Nord"]}, 'No group "Nord"'),
        ({"groups": ["@/etc/passwd"]}, 'No group "@/etc/passwd"'),
        ({"format": "xls"}, "csv, xlsx, parquet"),
        ({"definition": "word"}, "Defined: excel"),
        ({"recipients": ["a@exemple.fr"]}, "these settings are needed"),
        ({"output": "var/published/opco.duckdb"}, "among the home's own files"),
        ({"output": "var/deliveries/x.csv"}, "among the home's own files"),
        ({"output": "opco.toml"}, "among the home's own files"),
    ],
)
def test_the_configuration_of_a_run_is_judged_as_the_command_is(home: Home, config: dict[str, Any], words: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(UserError, match=words):
        run(home, instance, **config)
