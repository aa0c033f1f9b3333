"""Pages of data that nobody expects, and that every LMS delivers one day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from starlette.testclient import TestClient

from tests.portal.pages_home import ADMINISTRATOR, AWA, OF_BENOIT, SESSION, TOMASZ, Pages, pages_of, rows_of, text_of

pytestmark = pytest.mark.xdist_group("demo")

FOR_EVER, TURNED = "S-2026-XLS-06", "S-2026-XLS-10"
# Everything after the mark is written from right to left.
TURNED_NAME = "\u202eTableur"
NAMESAKES = ("u-1014", "u-1007")
# Named as the id of a session that other people instruct.
IMPOSTOR = "S-2026-CYB-09"
ODD = (
    *(
        f"update {table} set {what}"
        for table in ("dim_program_sessions", "fct_program_sessions")
        for what in (
            f"ends_at = timestamp '9999-12-31 23:59:59' where session_id = '{FOR_EVER}'",
            f"starts_at = null where session_id = '{OF_BENOIT}'",
            f"session_name = '{TURNED_NAME}' where session_id = '{TURNED}'",
        )
    ),
    *(
        f"update {table} set session_name = '{SESSION}' where session_id = '{IMPOSTOR}'"
        for table in ("dim_program_sessions", "fct_program_sessions", "fct_opco_connections")
    ),
    # The administrator's address in an account that is deleted.
    "update dim_learners set email = 'Admin@exemple.fr', is_deleted = true where user_id = 'u-1010'",
    # One column of an hour and a half.
    f"update fct_opco_connections set retained_seconds = 0 where session_id = '{FOR_EVER}'",
    "update fct_opco_connections set retained_seconds = 5400 where connection_id = ("
    f"select min(connection_id) from fct_opco_connections where session_id = '{FOR_EVER}')",
    # Two accounts of one person (T5).
    f"update dim_learners set person_id = '{NAMESAKES[1]}' where user_id in {NAMESAKES}",
    # A custom field of that title, which DuckDB has a meaning for.
    "alter table fct_opco_connections add column rowid varchar",
    *(
        f"update {table} set last_name = 'Martin', first_name = 'Jean' where user_id in {NAMESAKES}"
        for table in ("dim_learners", "fct_opco_connections")
    ),
)


@pytest.fixture(scope="module")
def odd(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with pages_of(demo_home, tmp_path_factory.mktemp("odd")) as pages:
        pages.home.warehouse.resolve().chmod(0o640)
        with duckdb.connect(str(pages.home.warehouse.resolve())) as warehouse:
            for statement in ODD:
                warehouse.execute(statement)
        yield pages


@pytest.fixture
def administrator(odd: Pages) -> TestClient:
    return odd.browser(ADMINISTRATOR)


def test_a_session_without_an_end_that_anybody_means_breaks_no_page(administrator: TestClient) -> None:
    """The last instant of the calendar is the next millennium in Paris, which Python's dates do not have."""
    listed = {row[0].split()[-1]: row for row in rows_of(administrator.get("/sessions").text)[1:]}
    assert listed[FOR_EVER][2:4] == ["01/06/2026", "31/12/9999"]
    page = administrator.get(f"/sessions/{FOR_EVER}").text
    assert "du 01/06/2026 au 31/12/9999" in text_of(page)
    # Drawn from the first connection to the last, day by day.
    assert "Temps passé par jour" in text_of(page)


def test_the_scale_of_a_picture_says_its_minutes(administrator: TestClient) -> None:
    (scale,) = re.findall(r'<div class="scale".*?</div>', administrator.get(f"/sessions/{FOR_EVER}").text)
    assert text_of(scale).replace("\xa0", " ") == "1 h 30 1 h 30 min 0"


def test_a_session_without_one_of_its_dates(administrator: TestClient) -> None:
    assert "jusqu’au 11/12/2026 · ID" in text_of(administrator.get(f"/sessions/{OF_BENOIT}").text)


def test_a_name_that_turns_the_writing_round_turns_nothing_beside_it(administrator: TestClient) -> None:
    chosen = administrator.get(f"/statistics?sessions={TURNED}").text
    found = administrator.get("/statistics/matches", params={"kind": "sessions", "q": "xls-10"}).text
    for page in (chosen, found):
        assert f"<bdi>{TURNED_NAME}</bdi>" in page
        assert f'<bdi class="whole">{TURNED}</bdi>' in page


def test_namesakes_are_told_apart(administrator: TestClient) -> None:
    page = administrator.get(f"/sessions/{SESSION}").text
    named = [row[0] for row in rows_of(page) if row[0].startswith("Martin Jean")]
    assert [name.removeprefix("Martin Jean ID ").split()[0] for name in named] == sorted(NAMESAKES)
    assert page.count("<small>ID ") == len(NAMESAKES)
    form = administrator.get(f"/sessions/{SESSION}/attestations").text
    for user_id in NAMESAKES:
        assert f'<option value="{user_id}">Martin Jean ({user_id})</option>' in form.replace(" selected", "")
    lines = administrator.get(f"/sessions/{SESSION}/flags/overlap").text
    assert {row[0] for row in rows_of(lines) if row[0].startswith("Martin")} <= {
        f"Martin Jean ID {user_id}" for user_id in NAMESAKES
    }


def test_the_other_accounts_of_a_person_are_named(odd: Pages, administrator: TestClient) -> None:
    link = f'<a href="/learners/{NAMESAKES[1]}">'
    page = administrator.get(f"/learners/{NAMESAKES[0]}").text
    assert "autre compte de la même personne" in text_of(page)
    assert link in page
    # Awa has both among her learners; Tomasz the first alone.
    assert link in odd.browser(AWA).get(f"/learners/{NAMESAKES[0]}").text
    assert link not in odd.browser(TOMASZ).get(f"/learners/{NAMESAKES[0]}").text


def test_a_custom_field_called_as_the_number_of_a_row_loses_no_connection(
    odd: Pages, administrator: TestClient
) -> None:
    page = administrator.get(f"/learners/{NAMESAKES[0]}").text
    with odd.warehouse() as build:
        ((count,),) = build.execute(
            "select count(*) from fct_opco_connections where user_id = $u", {"u": NAMESAKES[0]}
        ).fetchall()
    assert f"Relevé des connexions {count} connexions" in text_of(page).replace("\u202f", " ")


def test_a_session_named_as_anothers_id_neither_closes_its_statistics_nor_gets_into_them(odd: Pages) -> None:
    with odd.warehouse() as build:
        ((alone,), (both,)) = build.execute(
            "select count(*) from fct_opco_connections where session_id = $s "
            "union all select count(*) from fct_opco_connections where session_id in ($s, $i)",
            {"s": SESSION, "i": IMPOSTOR},
        ).fetchall()
    assert alone < both
    for browser in (odd.browser(AWA), odd.browser(ADMINISTRATOR)):
        assert browser.get("/statistics").status_code == 200
        text = text_of(browser.get(f"/statistics/count?sessions={SESSION}").text)
        assert str(alone) in text.replace("\u202f", "").replace("\xa0", "").split()


def test_an_administrator_whose_account_is_deleted_is_told(odd: Pages, administrator: TestClient) -> None:
    page = text_of(administrator.get("/").text)
    assert "Administrateurs dont le compte LMS est supprimé 1" in page
    assert ADMINISTRATOR in page
    assert "compte LMS est supprimé" not in odd.browser(AWA).get("/").text
