"""The small parts of the pages: words, addresses, pictures."""

from __future__ import annotations

import re
import string
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.home.paths import Home
from portal import failed_runs
from portal import previews as previews_module
from portal.addresses import KeyConvertor, key, text_of
from portal.charts import HEIGHT, WIDTH, column_chart, shares
from portal.pages.exports import CHOICES
from portal.previews import Previews
from portal.rendering import FOLDER
from portal.wording import LANGUAGES, load_words, preferred_language
from reports.issuing.preview import Preview
from warehouse.errors import OpcoError

DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))


def test_both_languages_say_the_same_things_with_the_same_values() -> None:
    french, english = (load_words(language).texts for language in LANGUAGES)
    assert set(french) == set(english)
    fields = {name: sorted(set(re.findall(r"{(\w+)}", text))) for name, text in french.items()}
    assert fields == {name: sorted(set(re.findall(r"{(\w+)}", text))) for name, text in english.items()}


def test_every_word_of_the_catalogues_is_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.py"))
    code += "".join(path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.html"))
    # Keys that are put together: their beginnings stand in the code.
    prefixes = set(re.findall(r"""["'](\w+_)["'] ~""", code)) | set(re.findall(r'f"(\w+_){', code))
    prefixes |= {f"{name}_" for name in CHOICES}
    for name in load_words("fr").texts:
        plain = re.sub(r"_(one|many)$", "", name)
        used = re.search(rf"""["']({name}|{plain})["']""", code)
        assert used or any(name.startswith(prefix) for prefix in prefixes), name


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "fr"),
        ("", "fr"),
        ("de, ja;q=0.5", "fr"),
        ("en-US,en;q=0.9,fr;q=0.8", "en"),
        ("en;q=0.3, fr-CA;q=0.7", "fr"),
        ("en;q=x, fr", "fr"),
        ("*;q=0.5, EN", "en"),
        ("en;q=0", "fr"),
    ],
)
def test_the_language_that_is_liked_best(accepted: str | None, language: str) -> None:
    assert preferred_language(accepted) == language


@settings(deadline=None)
@given(st.text(min_size=1))
def test_any_id_stands_in_one_part_of_a_path(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    part = key(text)
    assert re.fullmatch(KeyConvertor.regex, part)
    assert part not in (".", "..")
    assert text_of(part) == text


def test_plain_ids_stay_readable() -> None:
    assert key("S-2026-MGMT_09.a") == "S-2026-MGMT_09.a"
    assert key("a/b %~") == "a~2Fb~20~25~7E"
    assert set(key("Éé\0<>")) <= set(string.ascii_letters + string.digits + "~")


@settings(deadline=None)
@given(st.dictionaries(DAYS, st.integers(0, 10**7), min_size=1, max_size=60), st.none() | DAYS, st.none() | DAYS)
def test_no_second_is_lost_in_a_picture(seconds: dict[date, int], starts: date | None, ends: date | None) -> None:
    days = sorted(seconds.items())
    chart = column_chart(days, starts, ends)
    assert chart is not None
    assert sum(column.seconds for column in chart.columns) == sum(seconds.values())
    # The columns follow one another without a gap, and hold every day of the session and every connection.
    assert all(before.last + timedelta(days=1) == after.first for before, after in pairwise(chart.columns))
    assert chart.first <= min([days[0][0], *filter(None, [starts])])
    assert chart.last >= max([days[-1][0], *filter(None, [ends])])
    (top, top_y), *_, (bottom, bottom_y) = chart.lines
    assert (top_y, bottom, bottom_y) == (0, 0, HEIGHT)
    for column in chart.columns:
        assert 0 <= column.y <= HEIGHT
        assert column.x + column.width <= WIDTH + 0.1
        assert column.height == pytest.approx(HEIGHT * column.seconds / top, abs=0.01)


def test_a_long_time_is_drawn_in_larger_steps() -> None:
    def unit(length: int) -> str:
        first = date(2026, 1, 1)
        chart = column_chart([(first, 60)], first, first + timedelta(days=length - 1))
        assert chart is not None
        return chart.unit

    assert [unit(1), unit(100), unit(101), unit(700), unit(701)] == ["day", "day", "week", "week", "month"]
    assert column_chart([], date(2026, 1, 1), date(2026, 2, 1)) is None


def test_shares_are_of_the_largest() -> None:
    assert shares([50, 100, 0]) == [50.0, 100.0, 0.0]
    assert shares([0, 0]) == [0.0, 0.0]
    assert shares([]) == []


def test_a_preview_process_that_was_killed_is_replaced() -> None:
    previews = Previews()
    try:
        previews.warm()
        broken = previews._started()
        (process,) = broken._processes.values()
        process.kill()

        def ask() -> int:
            return broken.submit(int).result(60)

        with pytest.raises(BrokenProcessPool):
            ask()
        previews.warm()
        previews.warm()
        assert previews._started() is not broken
        assert previews._started().submit(int).result(60) == 0
    finally:
        previews.close()


def test_failed_runs_are_read_by_one_thread_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Home] = []
    goes_on = threading.Event()

    def slow(home: Home) -> list[failed_runs.FailedRun]:
        asked.append(home)
        goes_on.wait(60)
        return []

    monkeypatch.setattr(failed_runs, "read_failed_runs", slow)
    runs = failed_runs.FailedRuns(Home(tmp_path))
    assert [runs.latest(wait=0) for _ in range(5)] == [None] * 5
    goes_on.set()
    assert runs.latest(wait=60) == []
    assert len(asked) == 1


def test_no_older_reading_of_failed_runs_is_shown_than_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    failed = failed_runs.FailedRun("4f1c", "nightly", "S%2F1", datetime(2026, 11, 10, tzinfo=UTC), "The disk is full")
    answers: list[Any] = [[failed], [], OSError("gone")]

    def read(home: Home) -> list[failed_runs.FailedRun]:
        del home
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    monkeypatch.setattr(failed_runs, "read_failed_runs", read)
    monkeypatch.setattr("portal.failed_runs.time.monotonic", lambda: now)
    runs = failed_runs.FailedRuns(Home(tmp_path))
    assert runs.latest(wait=60) == [failed]
    assert failed.session_id == "S/1"
    now += failed_runs.READ_EVERY_SECONDS
    assert runs.latest(wait=60) == [failed]
    # Over a night nobody looked: what failed yesterday is not shown as if it were so now.
    now += 8 * 3600
    assert runs.latest(wait=60) == []
    # Nor is it where nothing can be read any more.
    now += 8 * 3600
    assert runs.latest(wait=60) is None


def test_a_preview_that_hangs_ends_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews_module, "LONGEST_SECONDS", 0.3)
    answers: list[Future[Preview]] = [Future(), Future()]
    answers[1].set_result(Preview(b"pdf", b"png", 1))
    previews = Previews()
    # The first hangs: its process is ended, and the second is made by another.
    started: list[Any] = [SimpleNamespace(submit=lambda *_, one=one, **__: one) for one in answers]
    monkeypatch.setattr(previews, "_started", lambda: started.pop(0))
    monkeypatch.setattr(previews, "_stop", lambda _: None)
    with ThreadPoolExecutor(2) as threads:
        hangs = threads.submit(previews.make, "a@exemple.fr", "S")
        while started and len(started) == 2:
            time.sleep(0.01)
        made = threads.submit(previews.make, "b@exemple.fr", "S")
        with pytest.raises(OpcoError, match="took too long"):
            hangs.result(60)
        assert previews.find("b@exemple.fr", "S", made.result(60)) is not None
