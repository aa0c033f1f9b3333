"""Kinds of files that the portal gives."""

from __future__ import annotations

import mimetypes
from pathlib import Path

MEDIA_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".parquet": "application/vnd.apache.parquet",
}


def media_type(file_name: str) -> str:
    """Return the media type of a file by its suffix."""
    suffix = Path(file_name).suffix.lower()
    return MEDIA_TYPES.get(suffix) or mimetypes.guess_type(file_name)[0] or "application/octet-stream"
