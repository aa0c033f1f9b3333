"""Measures how many documents of each kind are made a second, beside the attestation, on the demo campus.

`make bench-documents` after `make demo`. One process makes the documents of a session, kind by kind, in turns; the
fastest turn counts.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from orchestration.home.paths import Home
from reports.attestation.inputs import AttestationInputs
from reports.issuing.kinds import KINDS
from tests.issuing import issue_from
from warehouse.project import PROJECT_DIR

SESSION, TURNS = "S-2026-MGMT-09", 5
INPUTS = AttestationInputs(
    name="Atelier des Trois Rives",
    legal_representative="Hélène Vasseur",
    capacity="Directrice",
    place="Rennes",
    logo="logo.svg",
    stamp="stamp.png",
)


def main() -> None:
    """Print documents a second of processor time, and each kind's beside the attestation's."""
    warehouse = Home(PROJECT_DIR / "demo").warehouse
    if not warehouse.exists():
        sys.exit("There is no demo to make documents of. Run: make demo")
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(TURNS):
            for kind, seen in rates.items():
                start = time.process_time()
                summary = issue_from(
                    warehouse.resolve(),
                    SESSION,
                    INPUTS,
                    kind=kind,
                    month="2026-09" if kind == "log" else None,
                    folder=Path(folder) / f"{kind}-{turn}",
                    assets=PROJECT_DIR / "demo" / "assets",
                    issued_on=date(2026, 11, 10),
                )
                seen.append(len(summary.documents) / (time.process_time() - start))
    of_attestations = max(rates["attestation"])
    for kind, seen in rates.items():
        sys.stdout.write(
            f"{kind:12} {max(seen):6.1f} a second, {max(seen) / of_attestations:.2f} of the attestation's\n"
        )


if __name__ == "__main__":
    main()
