"""A home that an earlier version of the program wrote."""

from __future__ import annotations

import json

from orchestration.defs.alerts.state import read_alert_state
from orchestration.home.paths import Home
from orchestration.home.stamp import stamp_home

WAITING = {
    "kind": "run",
    "key": "run/nightly/1",
    "group": "run/nightly",
    "values": {"job": "nightly", "step": "-", "run_id": "4f1c", "at": "2026-11-16T04:15:00Z"},
    "lines": ["The disk is full"],
    "commands": ["alarms --run 4f1c", "why --row alarms.csv:3"],
}
OF_THE_FIRST_VERSION = {
    "format": 1,
    "known": {"run/nightly/1": "2026-11-16T04:16:00+00:00"},
    "waiting": [{"causes": [WAITING], "since": "2026-11-16T04:16:00+00:00", "reached": ["ops@exemple.fr"]}],
    "seen_until": "2026-11-16T04:16:00+00:00",
    "seen_runs": {},
    "tries": 1,
    "next_try_at": None,
    "last_error": "535",
}


def test_what_the_alarms_kept_is_the_alerts_own(home: Home) -> None:
    old = home.folder / "var" / "alarms"
    old.mkdir(parents=True)
    (old / "state.json").write_text(json.dumps(OF_THE_FIRST_VERSION), encoding="utf-8")

    stamp_home(home)
    stamp_home(home)

    state = read_alert_state(home.alerts)
    assert not old.exists()
    assert (state.known, state.last_error) == (OF_THE_FIRST_VERSION["known"], "535")
    (waiting,) = state.waiting
    assert (waiting.reached, [alert.key for alert in waiting.alerts]) == (["ops@exemple.fr"], ["run/nightly/1"])
    assert waiting.alerts[0].commands == ("alerts --run 4f1c", "why --row alarms.csv:3")


def test_a_state_that_cannot_be_read_moves_as_it_is(home: Home) -> None:
    old = home.folder / "var" / "alarms"
    old.mkdir(parents=True)
    (old / "state.json").write_text('{"format": 1, "wait', encoding="utf-8")
    stamp_home(home)
    assert (home.alerts / "state.json").read_text(encoding="utf-8") == '{"format": 1, "wait'


def test_alerts_that_are_there_stay(home: Home) -> None:
    for folder, content in ((home.folder / "var" / "alarms", "old"), (home.alerts, "new")):
        folder.mkdir(parents=True)
        (folder / "state.json").write_text(content, encoding="utf-8")
    stamp_home(home)
    assert (home.alerts / "state.json").read_text(encoding="utf-8") == "new"
