"""The process that runs a job which somebody asked for on a page: `python -m orchestration.worker FOLDER`.

Its folder holds what was asked for, and takes how far it is and what came of it. `runs/supervision.py` starts it, and
ends it where it has to.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from orchestration.home.paths import Home
from orchestration.runs.asker import Asker
from orchestration.runs.background import ASSETS, Order
from orchestration.runs.supervision import MADE, ORDER, PROGRESS, FileProgress, write_result
from warehouse.errors import OpcoError, UserError


def work(folder: Path) -> bool:
    """Do what the order in `folder` asks for, write what came of it, and tell whether it went well.

    What was made already is put on record; what keeps it from that is raised.
    """
    order = Order(**json.loads((folder / ORDER).read_text(encoding="utf-8")))
    if (made := folder / MADE).exists():
        # What came of it is known: where it cannot be put on record now, the portal's next start tries again.
        run_order(order, FileProgress(folder / PROGRESS), made.read_text(encoding="utf-8"))
        made.unlink()
        return True
    result: dict[str, Any]
    try:
        result = {"ok": True, "result": run_order(order, FileProgress(folder / PROGRESS))}
    except Exception as error:
        traceback.print_exc()
        message = str(error) if isinstance(error, OpcoError) else f"{type(error).__name__}: {error}"
        result = {"ok": False, "error": message, "is_mistake": isinstance(error, UserError)}
    write_result(folder, result)
    return bool(result["ok"])


def run_order(order: Order, progress: FileProgress, made: str | None = None) -> dict[str, Any] | None:
    """Run the order's job and return its asset's metadata; None where it had nothing to make.

    `made` is what the page made of it already, as JSON: the run puts it on record.
    """
    progress.stage("Starting", 1)
    if order.session_id and order.kind != "export" and not made:
        # Loaded where it is needed: an export makes no documents.
        from orchestration.defs.attestations.issuing import begin_early

        begin_early(Home.find(), order.session_id, order.kind, order.config)
    # Dagster is loaded once somebody who looks is told so.
    from orchestration.runs.jobs import open_instance, run_job

    asset, home = ASSETS[order.kind], Home.find()
    with redirect_stdout(sys.stderr), open_instance(home) as instance:
        result = run_job(
            home,
            order.kind,
            {asset: order.config},
            instance=instance,
            progress=progress,
            session_id=order.session_id if order.kind != "export" else None,
            asker=Asker(order.asked_by, "page"),
            made=made,
        )
    return result.get(asset)


def end_with_supervisor() -> None:
    """End this process and all of its group once the one that started it, which holds the other end, is gone."""
    # Not by Python's own reader, whose lock the interpreter would wait for at its end.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=end_with_supervisor, daemon=True).start()
    sys.exit(0 if work(Path(sys.argv[1])) else 1)
