"""The message, and what is remembered of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from orchestration.defs.alerts.alert import Alert, Kind
from orchestration.defs.alerts.message import FACTS, FOLDER, MessageContext, alert_message, described
from orchestration.defs.alerts.state import AlertState, locked_alert_state, read_alert_state
from orchestration.home.paths import option_of_home
from reports.language import Language, mail_catalogue
from warehouse.errors import OpcoError

NOW = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
FRENCH = MessageContext("/srv/opco l’été", option_of_home(Path("/srv/opco l’été")), "Europe/Paris", "fr", "Atelier")


def failed(message: str = "No session <b>", key: str = "run/nightly/1") -> Alert:
    values = {"job": "nightly", "step": "opco_export", "run_id": "4f1c", "at": "2026-11-16T03:00:00Z"}
    return Alert("run", key, "run/nightly", values, (message,), ("alerts --run 4f1c",))


def gone(user_id: str) -> Alert:
    values = {"id": user_id, "proofs": "3", "time": "1 h 05", "as_of": "2026-11-15T22:00:00Z"}
    return Alert("gone", f"gone/learner/{user_id}", "gone/learner", values, (), (f"why --user {user_id}",))


def test_a_message_says_what_where_why_and_how_to_look_further() -> None:
    message = alert_message([failed()], FRENCH, "opco@atelier.fr", "ops@exemple.fr")

    assert message["Subject"] == "Alerte OPCO : la tâche nightly a échoué"
    assert (message["From"], message["To"]) == ("opco@atelier.fr", "ops@exemple.fr")
    assert message["Auto-Submitted"] == "auto-generated"
    text, html = (part.get_content() for part in message.iter_parts())
    for words in ("Tâche : nightly", "Étape : opco_export", "16/11/2026 04:00 (Europe/Paris)", "No session <b>",
                  "opco alerts --run 4f1c --home '/srv/opco l’été'", "docs/alerts.md", "Atelier"):  # fmt: skip
        assert words in text
    assert "No session &lt;b&gt;" in html


def test_alerts_of_a_group_are_reported_together_and_shortened() -> None:
    (section,) = described([gone(f"u-{number}") for number in range(12)], FRENCH)

    assert section["title"] == "apprenants disparus du LMS et détenteurs de preuves : 12"
    assert section["lines"][0] == "u-0 : connexions : 3, temps retenu : 1 h 05"
    assert section["lines"][10:] == ["et 2 de plus"]
    assert len(section["commands"]) == 3


def test_a_subject_stays_one_line_and_counts_the_others() -> None:
    values = {"check": "a\nBcc: x@y.z", "asset": "m", "job": "j", "run_id": "r", "at": "2026-11-16T03:00:00Z"}
    evil = Alert("check", "check/a", "check/a", values, (), ())
    english = MessageContext("/srv/opco", option_of_home(Path("/srv/opco")), "UTC", "en")

    message = alert_message([failed(), evil, gone("u-1")], english, "a@b.fr", "c@d.fr")

    assert message["Subject"] == "OPCO alert: the check a Bcc: x@y.z failed, and 2 more"
    assert message["Bcc"] is None


@pytest.mark.parametrize("language", get_args(Language))
def test_every_kind_has_its_words(language: str) -> None:
    words = mail_catalogue(FOLDER, language)
    assert set(words) == set(mail_catalogue(FOLDER, "en"))
    assert set(FACTS) == set(get_args(Kind))
    for kind in get_args(Kind):
        assert f"{kind}.help" in words
        assert all(name in words for name in FACTS[kind])


def test_a_problem_is_taken_once_until_it_ended() -> None:
    state = AlertState()

    state.take([failed(), failed()], NOW)
    state.take([failed()], NOW + timedelta(days=1))
    assert [[alert.key for alert in one.alerts] for one in state.waiting] == [["run/nightly/1"]]

    state.take([failed(key="run/nightly/2")], NOW)
    state.end("run/nightly/")
    state.take([failed()], NOW)
    assert len(state.waiting) == 3


def test_of_current_problems_only_the_new_ones_are_reported() -> None:
    state = AlertState()

    state.replace(["gone"], [gone("u-1")], NOW)
    state.replace(["gone"], [gone("u-1"), gone("u-2")], NOW)
    state.replace(["gone"], [gone("u-2")], NOW)
    state.replace(["gone"], [gone("u-1"), gone("u-2")], NOW)

    assert [[alert.key[-3:] for alert in one.alerts] for one in state.waiting] == [["u-1"], ["u-2"], ["u-1"]]


def test_pauses_grow_to_an_hour() -> None:
    state, pauses = AlertState(), []
    for _ in range(8):
        state.failed("535 no", NOW)
        assert state.next_try_at is not None
        pauses.append((datetime.fromisoformat(state.next_try_at) - NOW).total_seconds() / 60)
        assert not state.may_try(NOW)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_what_is_remembered_outlives_the_process(tmp_path: Path) -> None:
    with locked_alert_state(tmp_path / "alerts") as (state, save):
        state.take([failed(), gone("u-1")], NOW)
        state.waiting[0].reached.append("ops@exemple.fr")
        save()

    assert read_alert_state(tmp_path / "alerts") == state
    assert read_alert_state(tmp_path / "nothing") == AlertState()


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 2, "waiting": []}', '{"format": 1, "waiting": [{}]}'])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content, encoding="utf-8")

    with pytest.raises(OpcoError, match=r"state\.json cannot be read"):
        read_alert_state(tmp_path)
