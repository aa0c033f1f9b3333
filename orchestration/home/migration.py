"""What an earlier version of the program left in a home under another name or in another form."""

from __future__ import annotations

import json
import re
from contextlib import suppress

from orchestration.home.paths import Home
from warehouse.files import written_atomically


def migrate_home(home: Home) -> None:
    """Bring the home's files to where this version looks for them; nothing where they are there already."""
    _move_alarms(home)


def _move_alarms(home: Home) -> None:
    """Move `var/alarms` to `var/alerts`, so that nothing that waits is lost and nothing is reported twice."""
    old = home.folder / "var" / "alarms"
    if not old.is_dir() or home.alerts.exists():
        return
    state = old / "state.json"
    # A state that cannot be read moves as it is: the alerts say so, and what to do.
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(state.read_text(encoding="utf-8"))
        for message in content["waiting"]:
            message["alerts"] = message.pop("causes")
            for alert in message["alerts"]:
                alert["commands"] = [re.sub(r"^alarms\b", "alerts", command) for command in alert["commands"]]
        with written_atomically(state) as temporary:
            temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    with suppress(FileNotFoundError):  # another process was faster
        old.rename(home.alerts)
