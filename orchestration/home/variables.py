"""Environment variables that are no settings: what `opco` hands to processes that it starts, and where secrets are."""

from __future__ import annotations

import os
from pathlib import Path

from warehouse.errors import UserError

# For dbt's profile; a value from outside has no effect.
BUILD_FILE_VARIABLE = "OPCO_BUILD_FILE"
THREADS_VARIABLE = "OPCO_THREADS"
MEMORY_LIMIT_VARIABLE = "OPCO_MEMORY_LIMIT"
# The cluster that builds on Spark are asked of, `sc://HOST:PORT`; what follows may hold a token, so it is a secret.
SPARK_REMOTE_VARIABLE = "OPCO_SPARK_REMOTE"
# For a command itself, when it begins again in UTF-8: what the terminal writes.
ENCODING_VARIABLE = "OPCO_TERMINAL_ENCODING"
# The folder that holds secrets as files.
SECRETS_VARIABLE = "OPCO_SECRETS"


def spark_remote() -> str | None:
    """Return the cluster that builds on Spark are asked of, None for a session of Spark on this machine."""
    return os.environ.get(SPARK_REMOTE_VARIABLE) or secret_in_folder(SPARK_REMOTE_VARIABLE)


def secret_in_folder(variable: str) -> str | None:
    """Return the secret that stands in a file of the folder OPCO_SECRETS, named as its variable in small letters.

    systemd's LoadCredential= and the secrets of containers make such folders. None where there is none, or it is empty.
    Raises UserError for one that cannot be read.
    """
    folder = os.environ.get(SECRETS_VARIABLE)
    path = Path(folder) / variable.lower() if folder else None
    if path is None or not path.is_file():
        return None
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The secret {path} cannot be read: {error}.") from error
