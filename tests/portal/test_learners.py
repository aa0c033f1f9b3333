"""The list of learners and the page of one: what they show is what the marts hold, of sessions that one may see."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import duckdb
import pytest
from starlette.testclient import TestClient

from portal import learner_queries, queries
from portal.wording import LANGUAGES, load_words
from reports.language import duration
from tests.portal.pages_home import ADMINISTRATOR, AWA, BENOIT, SESSION, TOMASZ, Pages, one, rows_of, text_of

pytestmark = pytest.mark.xdist_group("demo")

# Of two sessions; with a stay on two devices; without any; an account without a name.
IN_TWO, ON_TWO_DEVICES, NEVER_THERE, ERASED = "u-1014", "u-1004", "u-1009", "u-1025"
ELSEWHERE = "S-2026-CYB-09"


def listed(browser: TestClient, address: str) -> list[list[str]]:
    return rows_of(browser.get(address).text)[1:]


def table_of(page: str, heading: str) -> list[list[str]]:
    """Return the rows of the table in the section whose heading has an id."""
    (section,) = re.findall(rf'<section aria-labelledby="{heading}">.*?</section>', page, re.DOTALL)
    return rows_of(section)[1:]


def test_each_row_of_the_list_is_the_marts(pages: Pages, administrator: TestClient) -> None:
    with pages.warehouse() as warehouse:
        expected = warehouse.execute(
            """
            select
                coalesce(nullif(concat_ws(' ', last_name, first_name), ''), user_id),
                session_name,
                coalesce(label_fr, '—'),
                case when has_played then retained_seconds end
            from fct_learner_sessions
            join dim_learners using (user_id)
            join dim_program_sessions using (session_id)
            left join fct_learner_follow_up using (user_id, session_id)
            left join follow_up_statuses using (follow_up_status)
            """
        ).fetchall()
    rows = listed(administrator, "/learners")
    assert len(rows) == len(expected) == 46
    for name, session, status, seconds in expected:
        assert any(
            row[0].startswith(name) and row[1] == session and row[2].startswith(status) and row[3] == duration(seconds)
            for row in rows
        ), (name, session)


def test_the_list_is_searched_narrowed_sorted_and_paged_in_sql(
    pages: Pages, administrator: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(query: str, browser: TestClient = administrator) -> list[str]:
        return [row[0] for row in listed(browser, f"/learners?{query}")]

    # Neither case nor accents count; words of the learner and of the session, in any order.
    assert names("q=SIOBHAN") == ["O'Brien Siobhán"]
    assert names("q=octobre+lea") == ["Martin Léa ID u-1034", "Martin Léa ID u-1035"]
    assert names("q=karim.benhaddou%40") == ["Benhaddou Karim"] * 2
    assert names("q=%25") == []
    assert names("")[:2] == ["Antunes da Silva Chloé"] * 2
    assert names("sort=name&order=desc") == names("sort=name&order=asc")[::-1] or len(names("")) == 46
    by_time = [row[3] for row in listed(administrator, "/learners?sort=time&order=desc") if row[3] != "—"]
    assert by_time == sorted(by_time, reverse=True)
    # What is no column, no status and no page is as if not asked for.
    assert names("sort=1;drop&status=x&proof=y&page=-3") == names("")
    chased = listed(administrator, "/learners?status=to_chase")
    assert {row[0] for row in chased} == {"Antunes da Silva Chloé", "Grosjean Joël", "Morvan Yann"}
    assert all(row[2].startswith("À relancer sans activité depuis le ") for row in chased)
    with pages.warehouse() as warehouse:
        running = one(
            warehouse,
            "select count(*) from fct_learner_sessions join dim_program_sessions using (session_id) "
            "where starts_at <= $now and ends_at >= $now",
            now=pages.clock.time.replace(tzinfo=None),
        )
        work = warehouse.execute(
            "select work_seconds from fct_learner_sessions where work_seconds > 0 order by 1 desc"
        ).fetchall()
    assert len(names("only=running")) == running
    proven = listed(administrator, "/learners?proof=work")
    assert [row[4] for row in proven] == [duration(seconds) for (seconds,) in work]
    monkeypatch.setattr(learner_queries, "PEOPLE_A_PAGE", 20)
    assert [name for page in (1, 2, 3) for name in names(f"sort=session&page={page}")] == names("sort=session") + names(
        "sort=session&page=2"
    ) + names("sort=session&page=3")
    assert len({tuple(row) for page in (1, 2, 3) for row in listed(administrator, f"/learners?page={page}")}) == 46


def test_whose_learners_one_sees(pages: Pages) -> None:
    awa, benoit, tomasz = (pages.browser(email) for email in (AWA, BENOIT, TOMASZ))
    assert {row[1] for row in listed(benoit, "/learners")} == {
        "Manager à distance, septembre 2026",
        "Manager à distance, octobre 2026",
    }
    assert "Aucun apprenant ne correspond" in text_of(benoit.get("/learners?q=cybersecurite").text)
    # A learner of two sessions is what was done in one's own, and nothing tells of another.
    for browser, seen, unseen in ((awa, SESSION, ELSEWHERE), (tomasz, ELSEWHERE, SESSION)):
        page = browser.get(f"/learners/{IN_TWO}")
        assert page.status_code == 200
        assert seen in page.text
        assert unseen not in page.text
        assert browser.get(f"/learners/{IN_TWO}?session={unseen}").status_code == 404
        with pages.warehouse() as warehouse:
            seconds = one(
                warehouse,
                "select retained_seconds from fct_learner_sessions where user_id = $u and session_id = $s",
                u=IN_TWO,
                s=seen,
            )
        assert f"Temps passé {duration(seconds)}" in text_of(page.text)
    assert tomasz.get(f"/learners/{ON_TWO_DEVICES}").status_code == 404
    assert pages.browser(ADMINISTRATOR).get("/learners/nobody").status_code == 404
    assert pages.browser(ADMINISTRATOR).get("/learners/nobody/rows").status_code == 404


@pytest.mark.parametrize("narrowed", [None, SESSION, ELSEWHERE])
def test_a_learners_figures_are_sums_of_the_marts(
    pages: Pages, administrator: TestClient, narrowed: str | None
) -> None:
    address = f"/learners/{IN_TWO}" + (f"?session={narrowed}" if narrowed else "")
    page = administrator.get(address).text
    asked = {"u": IN_TWO, "s": narrowed}
    where = "where user_id = $u and ($s is null or session_id = $s)"
    with pages.warehouse() as warehouse:

        def found(query: str) -> list[tuple[Any, ...]]:
            return warehouse.execute(query.format(where=where), asked).fetchall()

        ((connections, seconds, days),) = found(
            "select count(*), sum(retained_seconds), count(distinct connected_on) from fct_opco_connections {where}"
        )
        lines = found(
            "select strftime(timezone('Europe/Paris', connected_at at time zone 'UTC'), '%d/%m/%Y %H:%M:%S'), "
            "retained_seconds from fct_opco_connections {where} order by connected_at desc"
        )
        by_day = found(
            "select strftime(day_on, '%Y-%m-%d'), sum(retained_seconds) from fct_learner_days {where} "
            "group by day_on order by day_on"
        )
        by_month = found(
            "select sum(retained_seconds) from fct_learner_days {where} "
            "group by date_trunc('month', day_on) order by date_trunc('month', day_on)"
        )
        steps = found(
            "select steps.resource_name, activities.credited_seconds from fct_learner_session_steps as steps left join "
            "fct_credited_activities as activities using (user_id, session_id, step_type, resource_id) {where}"
        )
        flags = found(
            "select flag, count(*) from (select unnest(flags) as flag from fct_opco_connections {where}) group by flag"
        )
        proofs = found("select sum(work_seconds), sum(tutored_seconds), sum(consultation_seconds) "
                       "from fct_learner_sessions {where}")  # fmt: skip
        evidence = found(
            "select label_fr, count(*), sum(retained_seconds) from fct_opco_connections "
            "join evidence_levels using (evidence_level) {where} group by label_fr"
        )
    text = text_of(page)
    assert f"Temps passé {duration(seconds)} soit" in text
    assert f"Connexions {connections} " in text
    assert f"Jours de connexion {days} " in text
    assert [(row[0], row[4]) for row in table_of(page, "log")] == [(at, duration(spent)) for at, spent in lines]
    drawn = re.findall(r'day=([\d-]+)#log" title="[\d/]+ : ([\d:]+)"', unescape(page))
    assert drawn == [(day, duration(int(spent))) for day, spent in by_day]
    captions = re.findall(r"<caption>.*?<span class=\"value\">([\d:]+)</span></caption>", page)
    assert captions == [duration(int(spent)) for (spent,) in by_month]
    names = {name for name, _ in steps}
    shown = [(next(filter(row[0].startswith, names)), row[4]) for row in table_of(page, "steps")]
    assert sorted(shown) == sorted((name, duration(credited)) for name, credited in steps)
    assert dict(re.findall(r'flag=(\w+)#log">[^<]*</a> <span class="count">(\d+)', page)) == {
        str(flag): str(count) for flag, count in flags
    }
    (section,) = re.findall(r'<section aria-labelledby="proof">.*?</section>', page, re.DOTALL)
    assert re.findall(r'class="value">([\d:]+)<', section) == [duration(int(spent)) for spent in proofs[0]]
    for label, count, spent in evidence:
        assert f"{label} {load_words('fr').counted('connections', count)} {duration(int(spent))}" in text_of(section)


def test_the_log_is_paged_and_narrowed(
    pages: Pages, administrator: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/learners/{ON_TWO_DEVICES}"
    page = administrator.get(f"{address}?day=2026-10-06").text
    lines = table_of(page, "log")
    # The quarter of an hour on two devices.
    assert [(row[3], row[4]) for row in lines] == [("00:40:20", "00:25:20"), ("00:45:00", "00:45:00")]
    assert "06/10/2026 : 2 connexions" in text_of(page).replace("\u202f", " ")
    assert "Temps écoulé 10:48:16, dont 00:15:00 en doublon" in text_of(page)
    assert "1 connexion recouvre une autre connexion de la même session" in text_of(page)
    (overlap,) = table_of(administrator.get(f"{address}?flag=overlap").text, "log")
    assert overlap == lines[0]
    with pages.warehouse() as warehouse:
        work = one(
            warehouse,
            "select count(*) from fct_opco_connections where user_id = $u and proof_level = 'work'",
            u=ON_TWO_DEVICES,
        )
    assert len(table_of(administrator.get(f"{address}?proof=work").text, "log")) == work
    everything = table_of(administrator.get(address).text, "log")
    # What is no day, no flag and no level is as if not asked for.
    assert table_of(administrator.get(f"{address}?day=2026-13-40&flag=x&proof=y").text, "log") == everything
    monkeypatch.setattr(learner_queries, "LINES_A_PAGE", 10)
    paged = [row for page in (1, 2, 3, 4) for row in table_of(administrator.get(f"{address}?page={page}").text, "log")]
    assert paged == everything


def test_time_after_midnight_is_the_next_days(pages: Pages, administrator: TestClient) -> None:
    with pages.warehouse() as warehouse:
        ((user_id, before, after, until),) = warehouse.execute(
            "select user_id, strftime(connected_on, '%Y-%m-%d'), strftime(connected_on + 1, '%Y-%m-%d'), "
            "strftime(timezone('Europe/Paris', disconnected_at at time zone 'UTC'), '%H:%M:%S') "
            "from fct_opco_connections where retained_seconds > 0 and connected_on < "
            "cast(timezone('Europe/Paris', disconnected_at at time zone 'UTC') as date) order by user_id desc limit 1"
        ).fetchall()
    # Nothing else was done on the day after.
    page = unescape(administrator.get(f"/learners/{user_id}").text)
    (shown,) = re.findall(rf'day={after}#log" title="[\d/]+ : ([\d:]+)"', page)
    assert shown == until
    both = [table_of(administrator.get(f"/learners/{user_id}?day={day}").text, "log")[0] for day in (before, after)]
    assert both[0] == both[1]
    assert both[0][1].endswith(until)
    assert "de 21 h à 6 h" in text_of(page).replace("\u202f", " ")


def test_months_are_paged_from_the_latest(administrator: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner_queries, "MONTHS_A_PAGE", 1)

    def months(query: str) -> list[str]:
        page = administrator.get(f"/learners/{ON_TWO_DEVICES}{query}").text
        return [text_of(one).split()[0] for one in re.findall(r"<caption>.*?</caption>", page)]

    assert (months(""), months("?months=2")) == (["octobre"], ["septembre"])


def test_learners_of_whom_there_is_little_to_tell(administrator: TestClient) -> None:
    never = text_of(administrator.get(f"/learners/{NEVER_THERE}").text)
    assert "Aucune connexion ici." in never
    assert "5 étapes obligatoires sur 5 n’ont jamais été ouvertes." in never
    assert "Relevé des connexions" not in never
    erased = administrator.get(f"/learners/{ERASED}").text
    assert f"<h1><bdi>{ERASED}</bdi></h1>" in erased
    assert "ne porte plus aucun nom" in text_of(erased)
    assert "Relevé des connexions" in text_of(erased)


def test_an_account_without_a_session_has_a_page(pages: Pages, administrator: TestClient) -> None:
    with pages.warehouse() as warehouse:
        alone = one(
            warehouse,
            "select min(user_id) from dim_learners anti join fct_learner_sessions using (user_id)",
        )
    assert "n’est inscrit à aucune session" in text_of(administrator.get(f"/learners/{alone}").text)


def test_what_became_of_each_row_is_told_to_administrators(pages: Pages, administrator: TestClient) -> None:
    address = f"/learners/{ON_TWO_DEVICES}/rows"
    page = administrator.get(f"{address}?day=2026-10-06").text
    assert [(row[0].split()[0], row[2], row[4]) for row in rows_of(page)[1:]] == [
        ("course_connections/2026-10.csv:71", "Comptée dans une connexion", "00:45:00"),
        ("course_connections/2026-10.csv:72", "Comptée dans une connexion", "00:25:20"),
    ]
    with duckdb.connect(str(pages.home.build_file), read_only=True) as build:
        total = one(
            build, "select count(*) from intermediate.int_raw_rows__explained where user_id = $u", u=ON_TWO_DEVICES
        )
    counts = re.findall(r'<span class="count">(\d+)\D', administrator.get(address).text)
    assert sum(map(int, counts)) == total
    assert pages.browser(AWA).get(address).status_code == 403
    assert "Aucune ligne livrée" in text_of(administrator.get(f"{address}?day=2020-01-01").text)
    # While a build is at work.
    kept = pages.home.build_file.rename(pages.home.build_file.with_suffix(".kept"))
    try:
        assert "Impossible pour l’instant" in text_of(administrator.get(address).text)
    finally:
        kept.rename(pages.home.build_file)


def test_every_outcome_has_its_words(pages: Pages) -> None:
    # As `Answer` names them.
    named = {"connection", "superseded", "outside_session", "withdrawn", "duplicate", "conflicting", "lost"}
    named |= {"rejected", "gone", "kept"}
    with duckdb.connect(str(pages.home.build_file), read_only=True) as build:
        found = build.execute("select distinct outcome from intermediate.int_raw_rows__explained").fetchall()
    assert {outcome for (outcome,) in found} <= named
    for language in LANGUAGES:
        assert all(load_words(language).text(f"outcome_{outcome}") for outcome in named)


def test_names_lead_to_their_page(pages: Pages) -> None:
    awa = pages.browser(AWA)
    for address in (f"/sessions/{SESSION}", f"/sessions/{SESSION}/flags/overlap"):
        assert f'href="/learners/{ON_TWO_DEVICES}?session={SESSION}' in awa.get(address).text


def test_shares_of_proof_are_cut_as_the_marts_cut_theirs(pages: Pages) -> None:
    with pages.warehouse() as warehouse:
        query = f"select {queries.share('a', 'b')} from (select 2::bigint as a, 3::bigint as b union all select 1, 0)"
        assert [str(value) for (value,) in warehouse.execute(query).fetchall()] == ["66.666666", "None"]
