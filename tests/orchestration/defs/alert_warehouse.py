"""The published file of tests of the alerts: empty tables, to which a test adds its rows."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from orchestration.defs.alerts.alert import Alert
from orchestration.defs.alerts.data_alerts import data_alerts
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings

NOW = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)

EMPTY = """
create table load_reconciliation (table_name varchar);
create table warehouse_build as select timestamp '2026-11-10 18:00' as data_as_of, 7 as load_number, 2 as rules_edition;
create table fct_opco_connections (user_id varchar, session_id varchar, course_id varchar, program_template_id varchar,
    connected_at timestamp, disconnected_at timestamp, retained_seconds bigint);
create table dim_program_sessions (session_id varchar, session_name varchar, starts_at timestamp, ends_at timestamp,
    program_template_id varchar, is_gone boolean, is_program_template_gone boolean);
create table data_problems (problem varchar, subject varchar, subject_id varchar, load_number bigint, row_count bigint,
    delivered_count bigint, retained_seconds bigint,
    details struct(row_count bigint, reason varchar, column_name varchar, happened_on date, place varchar)[]);
"""


class Warehouse:
    """A published file with what a test needs of it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        home.warehouse.parent.mkdir(parents=True)
        self.run(EMPTY)

    def run(self, statements: str) -> None:
        with duckdb.connect(str(self.home.warehouse)) as db:
            db.execute(statements)

    def alerts(self, stale_days: int | str = "none") -> list[Alert]:
        return data_alerts(self.home, load_settings(self.home, {"alerts.stale_days": str(stale_days)}), NOW)
