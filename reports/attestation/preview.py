"""One learner's document as it would be issued, to be looked at: nothing is kept, and every page says what it is."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pypdfium2

from reports.attestation.engine import css_string
from reports.attestation.images import read_image
from reports.attestation.model import AttestationInputs
from reports.attestation.queries import (
    read_build,
    read_evidence_levels,
    read_inexplicit_end_kinds,
    read_learner_records,
    read_session,
)
from reports.attestation.rendering import Renderer
from reports.warehouse import open_published
from warehouse.errors import UserError

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
    parts = {"logo": inputs.logo, "stamp": inputs.stamp}
    images = {part: read_image(assets, name, part) for part, name in parts.items() if name is not None}
    with closing(open_published(warehouse)) as connection:
        build = read_build(connection)
        session = read_session(connection, session_id, build)
        played = connection.execute(
            "select has_played from fct_learner_sessions where session_id = $session_id and user_id = $user_id",
            {"session_id": session_id, "user_id": user_id},
        ).fetchone()
        if played != (True,):
            raise UserError(f"The learner {user_id} has no connection in the session {session_id}.")
        (record,) = read_learner_records(connection, session_id, [user_id], build)
        renderer = Renderer(
            inputs,
            images,
            session,
            build,
            read_inexplicit_end_kinds(connection, inputs.language),
            read_evidence_levels(connection, inputs.language),
            issue_number,
            issued_on,
            styles=[MARK_STYLE.format(text=css_string(MARK[inputs.language]))],
        )
    rendered = renderer.render(record)
    return Preview(rendered.content, _picture(rendered.content), rendered.pages)


def _picture(content: bytes) -> bytes:
    with closing(pypdfium2.PdfDocument(content)) as document, io.BytesIO() as stream:
        document[0].render(scale=PICTURE_SCALE).to_pil().save(stream, "PNG")
        return stream.getvalue()
