"""What people do on the pages, for the audit log."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from orchestration.home.audit import AuditLog
from portal.security import client_of


def record(request: Request, action: str, **facts: Any) -> None:
    """Add to the log that the person who signed in does `action`.

    To be called before it is done: what cannot be recorded does not happen. Errors as `AuditLog.add`.
    """
    person = getattr(request.state, "person", None)
    log: AuditLog = request.app.state.identity.audit
    log.add(action, email=person.email if person else None, client=client_of(request), **facts)
