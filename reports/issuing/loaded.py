"""What the processes that make documents have in common: loaded once, by the process that they are forked from."""

from contextlib import suppress

import reports.issuing.workers

# Where a library is missing, the process that needs it says which.
with suppress(OSError):
    import reports.documents.rendering  # noqa: F401
