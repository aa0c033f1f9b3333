"""From a file to its recipients: what the settings must say, the kept copy, the link, the message."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.home.audit import AuditLog
from orchestration.home.mail import mail_server
from orchestration.home.paths import Home
from orchestration.home.settings import Settings
from orchestration.runs.progress import Progress
from reports.delivery.links import Signer, download_url
from reports.delivery.message import IssueNotice, Notice, message
from reports.delivery.recipients import checked_recipients
from reports.delivery.smtp import MailServer
from reports.delivery.store import DeliveryStore
from reports.export.filters import ExportFilters
from reports.export.write import ExportSummary
from reports.language import Language
from warehouse.account import account
from warehouse.errors import OpcoError

if TYPE_CHECKING:
    from reports.issuing.issue import IssueSummary


@dataclass(frozen=True)
class Mailing:
    """Everything that sending needs, checked before the file is made."""

    recipients: tuple[str, ...]
    sender: str
    server: MailServer
    signer: Signer
    store: DeliveryStore
    base_url: str
    expires_at: datetime
    organisation: str | None
    audit: AuditLog

    @property
    def facts(self) -> dict[str, Any]:
        """What a run's record says of it; not the link, which is a key."""
        return {"recipients": list(self.recipients), "link_expires_at": f"{self.expires_at:%Y-%m-%dT%H:%M:%SZ}"}

    def send(
        self,
        summary: ExportSummary,
        filters: ExportFilters,
        language: Language,
        definition: str | None,
        progress: Progress,
    ) -> None:
        """Send each recipient a link to a copy of an export. Errors as `deliver`."""

        def notice(url: str) -> Notice:
            return Notice(
                file_name=summary.path.name,
                byte_count=summary.bytes,
                sha256=summary.sha256,
                rows=summary.rows,
                learners=summary.learners,
                sessions=summary.sessions,
                data_as_of=summary.data_as_of,
                last_activity_at=summary.last_activity_at,
                filters=filters,
                url=url,
                expires_at=self.expires_at,
                display_timezone=summary.display_timezone,
                language=language,
                organisation=self.organisation,
                definition=definition,
            )

        self.deliver(summary.path, summary.sha256, notice, "The export is written and kept", progress)

    def send_issue(
        self, summary: "IssueSummary", language: Language, display_timezone: str, progress: Progress
    ) -> None:
        """Send each recipient a link to a copy of the ZIP of an issue. Errors as `deliver`."""
        manifest = summary.manifest

        def notice(url: str) -> IssueNotice:
            return IssueNotice(
                file_name=summary.zip_path.name,
                byte_count=summary.zip_path.stat().st_size,
                sha256=summary.zip_sha256,
                session_id=manifest.session_id,
                session_name=manifest.session_name,
                issue_number=manifest.issue_number,
                states=Counter(document.state for document in manifest.documents),
                cancelled=sum(one.cancelled_by_issue == manifest.issue_number for one in manifest.cancelled),
                data_as_of=datetime.fromisoformat(manifest.data_as_of),
                url=url,
                expires_at=self.expires_at,
                display_timezone=display_timezone,
                language=language,
                organisation=self.organisation,
            )

        made = f"Issue {manifest.issue_number} is made and kept"
        self.deliver(summary.zip_path, summary.zip_sha256, notice, made, progress)

    def deliver(
        self, path: Path, sha256: str, notice: Callable[[str], Notice | IssueNotice], made: str, progress: Progress
    ) -> None:
        """Keep a copy of a file and send each recipient the notice of its link; `made` says that the file is there.

        Raises OpcoError naming the recipients whom it did not reach; the file stays where it is.
        """
        try:
            self.store.forget_expired(datetime.now(UTC))
            delivery = self.store.keep(path, sha256, self.expires_at, self.recipients)
            self.audit.add(
                "link_sent",
                email=None,
                client=f"account {account()}",
                delivery_id=delivery.delivery_id,
                file=delivery.file_name,
                sha256=sha256,
                recipients=list(self.recipients),
            )
        except OSError as error:
            raise OpcoError(
                f"{made}: {path}\n"
                f"But nobody was told: the copy that a link leads to could not be made and put on record: {error}"
            ) from error
        filled = notice(download_url(self.base_url, self.signer.token(delivery.link)))
        progress.stage("Sending", len(self.recipients))

        def pause(seconds: float, reason: str) -> None:
            progress.stage(f"{self.server.host} does not take the message ({reason}); next try in {seconds:.0f} s")
            time.sleep(seconds)

        failures = []
        for recipient in self.recipients:
            try:
                self.server.send(message(filled, self.sender, recipient), pause=pause)
            except OpcoError as error:
                failures.append(error)
            progress.step()
        if failures:
            reached = len(self.recipients) - len(failures)
            reasons = "\n".join(map(str, failures))
            raise OpcoError(
                f"{made}: {path}\n"
                f"But {len(failures)} of {len(self.recipients)} recipients were not told ({reached} were):\n{reasons}"
            ) from failures[0]


def prepare_mailing(home: Home, settings: Settings, recipients: tuple[str, ...]) -> Mailing:
    """Return what sends a file to `recipients`.

    Raises UserError when a setting is missing, or an address is none or not allowed.
    """
    portal = settings.portal
    needed = {
        "email.allowed_recipients": settings.email.allowed_recipients,
        "portal.base_url": portal.base_url,
        "portal.secret (variable OPCO_PORTAL__SECRET)": portal.secret,
    }
    server, sender = mail_server(settings, "send a link by e-mail", needed)
    assert portal.base_url  # noqa: S101 - checked above
    assert portal.secret  # noqa: S101
    return Mailing(
        recipients=checked_recipients(recipients, settings.email.allowed_recipients),
        sender=sender,
        server=server,
        signer=Signer(portal.secret.get_secret_value()),
        store=DeliveryStore(home.deliveries),
        base_url=portal.base_url,
        expires_at=(datetime.now(UTC) + timedelta(days=portal.link_days)).replace(microsecond=0),
        organisation=settings.organisation.name,
        audit=AuditLog.of(home),
    )
