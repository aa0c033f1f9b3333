"""The dashboard: its figures are those of the marts, of the sessions that one may see, and each leads to its lines."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import pytest
from starlette.testclient import TestClient

from orchestration.runs.supervision import ORDER, RESULT
from portal.charts import week_chart
from reports.language import duration
from tests.portal.pages_home import ADMINISTRATOR, AWA, NOW, SESSION, Pages, pages_of, rows_of, text_of

pytestmark = pytest.mark.xdist_group("demo")

RUNNING = "starts_at <= $now and ends_at >= $now"


def sql(pages: Pages, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with pages.warehouse() as warehouse:
        return warehouse.execute(query, parameters).fetchall()


def figures_of(page: str) -> dict[str, tuple[str, str]]:
    """Return the figures at the top by name: what each says, and the address that it leads to."""
    found = re.findall(r'<div class="figure"><dt>(.*?)</dt><dd>(.*?)</dd></div>', page, re.DOTALL)
    return {
        text_of(name): (
            re.split(r"\s", text_of(value))[0],
            unescape("".join(re.findall(r'href="([^"]+)"', value))),
        )
        for name, value in found
    }


def section_of(page: str, heading: str) -> str:
    (section,) = re.findall(rf'<section [^>]*aria-labelledby="{heading}">.*?</section>', page, re.DOTALL)
    return str(section)


def test_figures_are_of_the_marts_and_lead_to_as_many_lines(pages: Pages, administrator: TestClient) -> None:
    figures = figures_of(administrator.get("/").text)
    now = NOW.replace(tzinfo=None)
    ((running, ending),) = sql(
        pages,
        "select count(*), count(*) filter (where ends_at <= $now + interval 10 days) from dim_program_sessions "
        f"where {RUNNING}",
        now=now,
    )
    statuses = dict(
        sql(
            pages,
            "select follow_up_status, count(*) from fct_learner_follow_up join dim_program_sessions using (session_id) "
            f"where {RUNNING} group by 1",
            now=now,
        )
    )
    assert (running, ending, statuses["to_chase"]) == (3, 1, 3)
    for name, count in (
        ("Sessions en cours", running),
        ("Se terminent sous 10 jours", ending),
        ("Apprenants à relancer", statuses["to_chase"]),
    ):
        shown, address = figures[name]
        assert shown == str(count)
        assert len(rows_of(administrator.get(address).text)[1:]) == count
    # What is nothing leads nowhere.
    assert figures["Pas encore commencé"] == ("0", "")
    ((share,),) = sql(
        pages,
        "select round(100.0 * sum(retained_seconds) / sum(planned_duration_seconds * enrolled_count), 1) "
        f"from fct_program_sessions join dim_program_sessions using (session_id) "
        f"where dim_program_sessions.{RUNNING.replace(' and ', ' and dim_program_sessions.')}",
        now=now,
    )
    assert figures["Réalisé sur le prévu"][0] == f"{share}".replace(".", ",")


def test_sessions_under_way_planned_against_spent(pages: Pages, administrator: TestClient) -> None:
    section = section_of(administrator.get("/").text, "running")
    expected = sql(
        pages,
        """
        select
            sessions.session_name,
            completion.numerator || ' sur ' || completion.denominator,
            chase.numerator,
            sessions.planned_duration_seconds * totals.enrolled_count // 3600,
            totals.retained_seconds,
            round(100.0 * totals.retained_seconds / (sessions.planned_duration_seconds * totals.enrolled_count), 1)
        from dim_program_sessions as sessions
        join fct_program_sessions as totals using (session_id)
        join fct_program_session_indicators as completion
            on completion.session_id = sessions.session_id and completion.measure = 'completion_rate'
        join fct_program_session_indicators as chase
            on chase.session_id = sessions.session_id and chase.measure = 'learners_to_chase'
        where sessions.starts_at <= $now and sessions.ends_at >= $now
        order by sessions.ends_at
        """,
        now=NOW.replace(tzinfo=None),
    )
    rows = rows_of(section)[1:]
    assert len(rows) == len(expected) == 3
    for row, (name, completed, chased, planned, spent, share) in zip(rows, expected, strict=True):
        assert row[0] == name
        assert row[2] == completed
        assert row[3].split()[0] == str(chased)
        assert row[4].startswith(f"{planned} h ")
        assert row[5].split()[0] == duration(spent)
        assert f"{share}".replace(".", ",") in row[5]
    # It ends on the 13th, and this is the 11th.
    assert [("dans" in row[1]) for row in rows] == [True, False, False]
    assert "dans 2 jours" in rows[0][1]
    (address,) = re.findall(r'href="(/learners[^"]*S-2026-CYB-09[^"]*)"', section)
    assert len(rows_of(administrator.get(unescape(address)).text)[1:]) == 2


def test_whom_to_chase_first(administrator: TestClient) -> None:
    rows = rows_of(section_of(administrator.get("/").text, "chase"))[1:]
    # Whose session ends first before others, and of these who is silent for longest.
    assert [(row[0], row[2]) for row in rows] == [
        ("Morvan Yann", "28/09/2026 n’a jamais commencé"),
        ("Antunes da Silva Chloé", "13/10/2026"),
        ("Grosjean Joël", "12/10/2026 n’a jamais commencé"),
    ]


def test_hours_by_week_lead_to_their_export(pages: Pages, administrator: TestClient) -> None:
    page = administrator.get("/").text
    section = section_of(page, "weeks")
    expected = sql(
        pages,
        "select strftime(date_trunc('week', connected_on), '%d/%m/%Y'), sum(retained_seconds), count(*) "
        "from fct_opco_connections where connected_on >= date '2026-05-18' "
        "group by date_trunc('week', connected_on) having sum(retained_seconds) > 0 "
        "order by date_trunc('week', connected_on)",
    )
    assert len(expected) > 10
    assert rows_of(section)[1:] == [[week, duration(int(seconds))] for week, seconds, _ in expected]
    assert section.count('<rect class="column"') == len(expected)
    addresses = [unescape(address) for address in re.findall(r'href="(/statistics[^"]+)"', section)]
    for address, (_, _, count) in list(zip(addresses, expected, strict=True))[-2:]:
        counted = text_of(administrator.get(address).text)
        assert re.search(rf"contiendrait {count} lignes?,", counted), address


def test_what_time_rests_on_leads_to_its_learners(pages: Pages, administrator: TestClient) -> None:
    section = section_of(administrator.get("/").text, "proof")
    ((work, tutored, consultation, retained),) = sql(
        pages,
        "select sum(work_seconds), sum(tutored_seconds), sum(consultation_seconds), sum(retained_seconds) "
        f"from fct_learner_sessions join dim_program_sessions using (session_id) where {RUNNING}",
        now=NOW.replace(tzinfo=None),
    )
    assert work + tutored + consultation == retained
    shown = re.findall(r'class="value">([\d:]+)<', section)
    assert shown == [duration(int(seconds)) for seconds in (work, tutored, consultation)]
    address = unescape(re.findall(r'href="(/learners[^"]+work[^"]*)"', section)[0])
    rows = rows_of(administrator.get(address).text)[1:]
    hours = [[int(part) for part in row[4].split(":")] for row in rows]
    assert sum(3600 * hour + 60 * minute + second for hour, minute, second in hours) == work


def test_an_instructor_sees_their_own_sessions_alone(pages: Pages) -> None:
    page = pages.browser(AWA).get("/").text
    ((running,),) = sql(
        pages,
        "select count(*) from dim_program_sessions join bridge_session_instructors using (session_id) "
        f"join dim_learners using (user_id) where email = $email and {RUNNING}",
        email=AWA,
        now=NOW.replace(tzinfo=None),
    )
    assert figures_of(page)["Sessions en cours"][0] == str(running) == "1"
    assert "Morvan" not in page
    assert "Personne n’est à relancer" in text_of(page)
    spent = sql(
        pages,
        "select sum(retained_seconds) from fct_opco_connections join bridge_session_instructors using (session_id) "
        "where bridge_session_instructors.user_id = (select user_id from dim_learners where email = $email) "
        "and connected_on >= date '2026-05-18'",
        email=AWA,
    )
    shown = [[int(part) for part in row[1].split(":")] for row in rows_of(section_of(page, "weeks"))[1:]]
    assert [(sum(3600 * hour + 60 * minute + second for hour, minute, second in shown),)] == spent


def test_what_one_asked_for_in_vain_is_said_to_oneself(pages: Pages, administrator: TestClient) -> None:
    assert "Vos demandes" not in pages.browser(AWA).get("/").text
    run_id = f"20261110T030000000000-{'0' * 16}"
    place = pages.home.background_runs / run_id
    place.mkdir(parents=True)
    order = {"run_id": run_id, "kind": "attestations", "config": {}, "asked_by": AWA, "session_id": SESSION}
    (place / ORDER).write_text(json.dumps(order | {"asked_at": "2026-11-10T03:00:00Z"}), encoding="utf-8")
    (place / RESULT).write_text(json.dumps({"ok": False, "error": "No disk.", "is_mistake": False}), encoding="utf-8")
    try:
        section = text_of(section_of(pages.browser(AWA).get("/").text, "asked"))
        assert section == f"Vos demandes en cours ou inabouties Attestations de la session {SESSION} Échec"
        assert "Vos demandes" not in administrator.get("/").text
    finally:
        shutil.rmtree(place)


def test_where_no_session_runs_the_dashboard_says_so(pages: Pages) -> None:
    pages.clock.time = datetime(2027, 11, 11, tzinfo=UTC)
    try:
        page = text_of(pages.browser(ADMINISTRATOR).get("/").text)
    finally:
        pages.clock.time = NOW
    assert "Aucune session n’est en cours." in page
    assert "Aucune connexion ces dernières semaines." in page
    assert "Les données sont anciennes" in page
    assert "à relancer dans" not in page
    assert "Réalisé sur le prévu" not in page


def test_a_home_in_which_nothing_is_has_all_its_pages(demo_home: Path, tmp_path: Path) -> None:
    with pages_of(demo_home, tmp_path) as pages:
        pages.home.warehouse.resolve().chmod(0o640)
        with duckdb.connect(str(pages.home.warehouse.resolve())) as warehouse:
            tables = warehouse.execute(
                # What others point to goes last.
                "select table_name from duckdb_tables() where not internal and regexp_matches(table_name, "
                "'^(dim|fct|bridge)_|^rejected_rows$') order by table_name like 'dim_%'"
            ).fetchall()
            for (table,) in tables:
                warehouse.execute(f'delete from "{table}"')
            warehouse.execute("update warehouse_build set last_activity_at = null")
        browser = pages.browser(ADMINISTRATOR)
        page = browser.get("/")
        assert page.status_code == 200
        assert "Aucune session n’est en cours." in text_of(page.text)
        assert "Aucune activité enregistrée." in text_of(page.text)
        assert "Aucun apprenant pour l’instant" in text_of(browser.get("/learners").text)
        assert browser.get("/sessions?only=running").status_code == 200


def test_no_week_without_time_is_drawn() -> None:
    monday = datetime(2026, 11, 9, tzinfo=UTC).date()
    assert week_chart([(monday, 0)]) is None
    chart = week_chart([(monday.replace(day=2), 1800), (monday, 3600)])
    assert chart is not None
    assert [(column.seconds, column.height) for column in chart.columns] == [(1800, 100.0), (3600, 200.0)]
    assert chart.last == monday.replace(day=15)
