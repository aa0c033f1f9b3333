"""Builds the demo campus, exports it, makes one session's attestations and certificates, and says what was made."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
HOME = ["--home", "demo"]
SESSION = "S-2026-MGMT-09"
# Fixed, so that every demo makes the same figures.
CLOCK = "2026-11-10T06:00:00Z"
ISSUED_ON = "2026-11-10"


def opco(*arguments: str) -> dict[str, Any]:
    """Run an `opco` command on the demo's home and return its closing line."""
    command = [*arguments, *HOME]
    sys.stderr.write(f"$ opco {shlex.join(command)}\n")
    executable = str(Path(sys.executable).with_name("opco"))
    done = subprocess.run([executable, *command, "--json"], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    closing: dict[str, Any] = json.loads(done.stdout)
    return closing


def main() -> None:
    """Run the demo."""
    start = time.monotonic()
    built = opco("build", "--raw", "demo/raw", "--as-of", CLOCK)
    exported = opco("export")
    issued = opco("attest", SESSION, "--issued-on", ISSUED_ON)
    certified = opco("document", "certificate", SESSION, "--issued-on", ISSUED_ON)
    rejected = sum(one["count"] for one in built["rejects"])
    shown = {
        name: Path(path).relative_to(PROJECT)
        for name, path in (
            ("warehouse", built["warehouse"]),
            ("export", exported["path"]),
            ("issue", issued["folder"]),
            ("certificates", certified["folder"]),
        )
    }
    sys.stdout.write(
        f"""
Made in {time.monotonic() - start:.0f} seconds from {built["load"]["rows"]:,} raw rows ({rejected} listed as wrong):
  {shown["warehouse"]}   the warehouse: {built["row_counts"]["fct_opco_connections"]:,} connections
  {shown["export"]}   the OPCO export: {exported["rows"]:,} lines
  {shown["issue"]}/   {issued["documents"]} attestations of session {SESSION}, with their ZIP
  {shown["certificates"]}/   {certified["documents"]} certificats de réalisation of it

Try next:
  .venv/bin/opco export --home demo --session {SESSION} --language fr
  .venv/bin/opco attest {SESSION} --home demo --place Lyon --output /tmp/attestations
  .venv/bin/opco preflight --funder agefice S-2026-MGMT-10 --home demo
  .venv/bin/opco sessions --home demo
  make portal
  .venv/bin/opco dagster --home demo
"""
    )


if __name__ == "__main__":
    main()
