"""What `--json` prints is a public interface: whoever renames a field of a result sees it here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
import typer

from opco.cli import app, load_commands
from opco.terminal import HomeResult, Result, print_result

load_commands()

BUILD = (
    "home load full_refresh_reason nodes_left learners_rebuilt rejects gone conflicting warehouse build builds_removed "
    "bytes sha256 row_counts"
)
ISSUE = (
    "home session_id kind month changed issue_number folder zip_path zip_sha256 documents states pages bytes "
    "warnings findings files cancelled left_out copy"
)
# Of the results whose fields are printed as they are.
FIELDS = {
    "AlertsResult": "home settings_file recipients problems waiting next_try_at last_error",
    "AttestResult": ISSUE,
    "BuildResult": BUILD,
    "CancelResult": "home cancelled",
    "CheckSourceResult": "home name kind report",
    "DbtCommandResult": "home exit_code",
    "DocsResult": "home path bytes",
    "DocumentResult": ISSUE,
    "DryRunResult": "home dry_run rows learners sessions data_as_of last_activity_at build_id filters",
    "ExportResult": "home rows path json_path format bytes sha256 learners sessions cut_cells data_as_of "
    "last_activity_at build_id recipients link_expires_at",
    "FailedRunResult": "run_id said",
    "HealthResult": "home service said",
    "InitResult": "home settings_file name secrets report fault",
    "IssuesResult": "home session_id issues",
    "NightlyResult": f"{BUILD} exports attestations",
    "PreflightResult": "home session_id funder gaps",
    "PullResult": "home delivery reports",
    "RebuildResult": BUILD,
    "RollbackResult": "home warehouse published published_before",
    "RunsResult": "home runs",
    "SentResult": "home settings_file recipients sent",
    "SessionsResult": "home sessions",
    "SignOffResult": "home session_id logs",
    "SignInLink": "home address link until",
    "SourcesResult": "home sources",
    "StatusResult": "home fault is_changed archive audit_fault audit_head open_to_others warehouse published builds "
    "build_running load runs runs_not_told silent sources next",
    "WhatIfResult": "home session_id session_name minutes_in_force learners totals",
    "WhyResult": "home rows connections outcomes answers",
}
# These write facts of their own.
FACTS = {"CheckResult", "CleanResult", "ForgetResult", "NoSessionEnded", "SettingsResult", "VerifyResult"}


def results(base: type[Result] = Result) -> Iterator[type[Result]]:
    for one in base.__subclasses__():
        if one.__module__.startswith("opco.") and not one.__name__.startswith("_") and one is not HomeResult:
            yield one
        yield from results(one)


def test_every_result_has_its_fields_and_its_command() -> None:
    found = {one.__name__: " ".join(field.name for field in fields(one)) for one in results()}
    assert {name: names for name, names in found.items() if name not in FACTS} == FIELDS
    assert set(found) - set(FIELDS) == FACTS
    assert {one.command for one in results()} == set(typer.main.get_group(app).commands) - {"serve", "dagster", "mcp"}


@dataclass(frozen=True)
class Weighed(HomeResult, command="weigh"):
    grams: int

    @property
    def ok(self) -> bool:
        return self.grams < 1000

    def lines(self) -> list[str]:
        return [f"{self.grams} g"]


def test_a_result_is_one_line_of_json_or_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(Weighed(Path("/h"), 5), as_json=False)
    print_result(Weighed(Path("/h"), 5), as_json=True)
    output = capsys.readouterr().out.splitlines()
    assert output == ["5 g", '{"command": "weigh", "ok": true, "home": "/h", "grams": 5}']
    with pytest.raises(typer.Exit) as ended:
        print_result(Weighed(Path("/h"), 1000), as_json=True)
    assert ended.value.exit_code == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False
