"""One issue of a session's attestations: PDFs, ZIP and manifest, in a folder that appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from reports.attestation.images import read_image
from reports.attestation.model import (
    AttestationInputs,
    Build,
    CheckedImage,
    IssuedDocument,
    IssueSummary,
    LearnerRecord,
    LeftOut,
    Session,
    SessionLearner,
)
from reports.attestation.naming import display_name, file_names
from reports.attestation.queries import (
    read_build,
    read_evidence_levels,
    read_inexplicit_end_kinds,
    read_learner_records,
    read_session,
    read_session_learners,
)
from reports.warehouse import open_published
from warehouse.errors import OpcoError, UserError
from warehouse.files import fsync_path, safe_file_name, sha256_of

# Learners read at a time: memory stays flat however many played the session.
SLICE = 50


def issue_attestations(
    warehouse: Path,
    session_id: str,
    inputs: AttestationInputs,
    *,
    folder: Path,
    assets: Path,
    issued_on: date,
    progress: Callable[[int, int, str], None] = lambda _done, _total, _learner: None,
) -> IssueSummary:
    """Make the next issue of a session's attestations (section A) in `folder`/issue-N.

    `warehouse` is the published DuckDB file or the link to it, `assets` the folder of the images that
    `inputs` names. `progress` is called before each document and once at the end, with the documents
    done, all of them, and the learner. The same data, inputs, issue number and date give the same bytes.

    Raises UserError for an unknown session, one that nobody played, and an unusable input; OpcoError when
    a system library is missing, the files cannot be written, or a document's log does not add up.
    """
    inputs = _without_blanks(inputs)
    parts = {"logo": inputs.logo, "stamp": inputs.stamp}
    images = {part: read_image(assets, name, part) for part, name in parts.items() if name is not None}
    with closing(open_published(warehouse)) as connection:
        build = read_build(connection)
        session = read_session(connection, session_id, build)
        learners, left_out = _chosen(read_session_learners(connection, session_id), session)
        try:
            # WeasyPrint takes half a second and Pango to load: not before they are needed.
            from reports.attestation.rendering import Renderer
        except OSError as error:
            raise OpcoError(
                f"A library that WeasyPrint needs is missing: {error}. On Debian or Ubuntu install it with: "
                "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
            ) from error
        issue_number = _next_issue_number(folder)
        renderer = Renderer(
            inputs,
            images,
            session,
            build,
            read_inexplicit_end_kinds(connection, inputs.language),
            read_evidence_levels(connection, inputs.language),
            issue_number,
            issued_on,
        )
        target = folder / f"issue-{issue_number}"
        temporary = folder / f".issue-{issue_number}.{os.getpid()}.tmp"
        try:
            temporary.mkdir(parents=True)
            names = file_names(learners)
            documents: list[IssuedDocument] = []
            warnings = list(renderer.warnings)
            for start in range(0, len(learners), SLICE):
                user_ids = [learner.user_id for learner in learners[start : start + SLICE]]
                for record in read_learner_records(connection, session_id, user_ids, build):
                    name = display_name(record.user_id, record.last_name, record.first_name)
                    progress(len(documents), len(learners), name)
                    _check_sums(record, session)
                    rendered = renderer.render(record)
                    file = names[record.user_id]
                    _write(temporary / file, rendered.content)
                    documents.append(
                        IssuedDocument(
                            file=file,
                            user_id=record.user_id,
                            learner=name,
                            number=rendered.number,
                            sha256=hashlib.sha256(rendered.content).hexdigest(),
                            bytes=len(rendered.content),
                            pages=rendered.pages,
                            total_seconds=record.totals.retained_seconds,
                        )
                    )
                    warnings.extend(rendered.warnings)
            progress(len(documents), len(learners), "")
            manifest = _manifest(session, build, inputs, images, issue_number, issued_on, documents, left_out)
            _write(temporary / "manifest.json", manifest)
            zip_name = f"attestations-{safe_file_name(session_id)}-issue-{issue_number}.zip"
            _write_zip(temporary, zip_name)
            zip_sha256 = sha256_of(temporary / zip_name)
            total_bytes = sum(document.bytes for document in documents)
            fsync_path(temporary)
            temporary.rename(target)
            fsync_path(folder)
        except OSError as error:
            raise OpcoError(
                f"The attestations cannot be written to {target}: {error.strerror}. Make room or ask for the right "
                "to write there; if another run was making the same issue, run it again."
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return IssueSummary(
        folder=target,
        issue_number=issue_number,
        documents=tuple(documents),
        pages=sum(document.pages for document in documents),
        total_bytes=total_bytes,
        zip_path=target / zip_name,
        zip_sha256=zip_sha256,
        left_out=tuple(left_out),
        warnings=tuple(warnings),
    )


def _without_blanks(inputs: AttestationInputs) -> AttestationInputs:
    """Return the inputs with texts trimmed and empty ones left out."""
    values: dict[str, Any] = {
        key: value.strip() or None if isinstance(value, str) else value for key, value in vars(inputs).items()
    }
    return AttestationInputs(**values)


def _chosen(learners: Sequence[SessionLearner], session: Session) -> tuple[list[SessionLearner], list[LeftOut]]:
    """Part the session's learners into those who get a document and those who do not."""
    chosen: list[SessionLearner] = []
    left_out: list[LeftOut] = []
    for learner in learners:
        name = display_name(learner.user_id, learner.last_name, learner.first_name)
        if not learner.has_played:
            left_out.append(LeftOut(learner.user_id, name, "never_played"))
        elif learner.is_deleted and not learner.last_name and not learner.first_name:
            left_out.append(LeftOut(learner.user_id, name, "deleted_without_name"))
        else:
            chosen.append(learner)
    if not any(learner.has_played for learner in learners):
        raise UserError(
            f"Nobody has played the session {session.session_id} ({session.session_name}): it has no connection, "
            "so there is nothing to attest."
        )
    if not chosen:
        raise UserError(
            f"All who played the session {session.session_id} ({session.session_name}) are deleted and without a "
            "name, so no attestation can be made."
        )
    return chosen, left_out


def _check_sums(record: LearnerRecord, session: Session) -> None:
    """Hold the rows of the log against the learner's total: no document whose lines do not add up."""
    total = sum(line.retained_seconds or 0 for line in record.log)
    if total != record.totals.retained_seconds or len(record.log) != record.totals.connection_count:
        raise OpcoError(
            f"The log of learner {record.user_id} in session {session.session_id} has {len(record.log)} lines and "
            f"{total} seconds, but fct_learner_sessions says {record.totals.connection_count} and "
            f"{record.totals.retained_seconds}. Nothing was issued. Build the warehouse again with: "
            "opco build --raw FOLDER"
        )


def _next_issue_number(folder: Path) -> int:
    """Return the number after the highest issue in `folder`: numbers are never given twice."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return 1 + max((int(match[1]) for name in names if (match := re.fullmatch(r"issue-(\d+)", name))), default=0)


def _manifest(
    session: Session,
    build: Build,
    inputs: AttestationInputs,
    images: dict[str, CheckedImage],
    issue_number: int,
    issued_on: date,
    documents: Sequence[IssuedDocument],
    left_out: Sequence[LeftOut],
) -> bytes:
    used_inputs: dict[str, Any] = asdict(inputs) | {"logo": None, "stamp": None}
    for part, image in images.items():
        used_inputs[part] = {"file": image.name, "sha256": image.sha256}
    content = {
        "session_id": session.session_id,
        "session_name": session.session_name,
        "program_template_id": session.program_template_id,
        "program_template_name": session.program_template_name,
        "issue_number": issue_number,
        "issued_on": issued_on.isoformat(),
        "data_as_of": f"{build.data_as_of.isoformat(timespec='microseconds')}Z",
        "build_id": build.build_id,
        "opco_version": build.opco_version,
        "inputs": used_inputs,
        "settings": {
            "inactivity_timeout_minutes": build.inactivity_timeout_minutes,
            "max_connection_minutes": build.max_connection_minutes,
            "long_connection_minutes": build.long_connection_minutes,
            "raw_timezone": build.raw_timezone,
            "display_timezone": build.display_timezone,
        },
        "documents": [asdict(document) for document in documents],
        "left_out": [asdict(learner) for learner in left_out],
    }
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    fsync_path(path)


def _write_zip(folder: Path, name: str) -> None:
    """Put all files of a folder into a ZIP in it: sorted, without times, so that the bytes repeat."""
    members = sorted(folder.iterdir())
    with zipfile.ZipFile(folder / name, "x") as archive:
        for member in members:
            # PDFs are compressed already.
            entry = zipfile.ZipInfo(member.name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, member.read_bytes())
    fsync_path(folder / name)
