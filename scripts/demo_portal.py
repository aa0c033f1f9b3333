"""Opens the demo's pages: a key for this run, an administrator, a link that signs him in, and `opco serve`."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
HOME = ["--home", str(PROJECT / "demo")]
PORT = os.environ.get("PORT", "8000")
# Only these pages know the address: nothing is sent to it.
ADMINISTRATOR = "direction@exemple.fr"


def main() -> None:
    """Print the link, then answer the pages until Ctrl-C."""
    os.environ |= {
        "OPCO_PORTAL__SECRET": secrets.token_urlsafe(32),
        "OPCO_PORTAL__BASE_URL": f"http://127.0.0.1:{PORT}",
        "OPCO_PORTAL__ADMINISTRATORS": ADMINISTRATOR,
    }
    opco = str(Path(sys.executable).with_name("opco"))
    sys.stderr.write("Open this link, and press its button:\n\n")
    sys.stderr.flush()
    made = subprocess.run([opco, "sign-in-link", ADMINISTRATOR, *HOME], check=False)
    if made.returncode:
        sys.exit(made.returncode)
    sys.stderr.write("\n")
    sys.stderr.flush()
    os.execv(opco, [opco, "serve", "--port", PORT, *HOME])  # noqa: S606


if __name__ == "__main__":
    main()
