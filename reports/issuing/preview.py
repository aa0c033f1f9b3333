"""One learner's document as it would be issued, to be looked at: nothing is kept, and every page says what it is."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pypdfium2

from reports.attestation.inputs import AttestationInputs
from reports.attestation.kind import Printing, Scope
from reports.attestation.queries import read_build, read_session
from reports.issuing.kinds import ATTESTATION, KINDS
from reports.issuing.naming import document_number
from reports.printing.engine import css_string
from reports.printing.images import read_images
from warehouse.errors import UserError
from warehouse.published import open_published

PICTURE_SCALE = 1.6
MARK = {"fr": "APERÇU", "en": "PREVIEW"}
MARK_STYLE = """
body::after {{
    content: {text}; position: fixed; top: 115mm; left: 0; width: 100%; text-align: center;
    font-size: 78pt; letter-spacing: 8pt; color: rgba(190, 60, 40, 0.16); transform: rotate(-35deg);
}}
"""


@dataclass(frozen=True)
class Preview:
    """A document that was not issued: the PDF, a PNG of its first page, and how many pages it has."""

    pdf: bytes
    picture: bytes
    pages: int


def preview_attestation(
    warehouse: Path,
    session_id: str,
    user_id: str,
    inputs: AttestationInputs,
    *,
    assets: Path,
    issue_number: int,
    issued_on: date,
) -> Preview:
    """Return the document that issue `issue_number` would hold for a learner, marked as a preview on every page.

    Raises UserError for an unknown session, a learner without a connection in it, and an unusable input.
    """
    images = read_images(assets, inputs.images)
    with closing(open_published(warehouse)) as db:
        build = read_build(db)
        session = read_session(db, session_id, build)
        played = db.execute(
            "select has_played from fct_learner_sessions where session_id = $session_id and user_id = $user_id",
            {"session_id": session_id, "user_id": user_id},
        ).fetchone()
        if played != (True,):
            raise UserError(f"The learner {user_id} has no connection in the session {session_id}.")
        scope, kind = Scope(session, build, inputs), KINDS[ATTESTATION]
        (record,) = kind.records(db, scope, [user_id])
        # Better seen with boxes than not at all: it is not issued.
        style = MARK_STYLE.format(text=css_string(MARK[inputs.language]))
        renderer = kind.renderer(db, scope, Printing(images, issued_on, allows_missing_letters=True, styles=(style,)))
    rendered = renderer.render(record, document_number(session_id, user_id, issue_number))
    return Preview(rendered.content, _picture(rendered.content), rendered.pages)


def _picture(content: bytes) -> bytes:
    with closing(pypdfium2.PdfDocument(content)) as document, io.BytesIO() as stream:
        document[0].render(scale=PICTURE_SCALE).to_pil().save(stream, "PNG")
        return stream.getvalue()
