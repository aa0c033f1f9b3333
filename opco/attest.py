"""`opco attest` and `opco document`: the attestations of one session, and its other documents."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from opco.options import DebugOption, HomeOption, JsonOption, SessionArgument, app, field_option
from opco.running import open_home, run
from opco.terminal import HomeResult, print_result
from orchestration.defs.attestations.issuing import begin_early, checked_month
from orchestration.home.paths import Home
from orchestration.home.sections.documents import OrganisationSettings
from orchestration.runs.background import ASSETS, DOCUMENT_KINDS
from reports.attestation.model import Finding
from reports.issuing.kinds import ATTESTATION, KINDS
from reports.issuing.manifest import MANIFEST, CancelledDocument, Cause, IssuedDocument, LeftOut, read_manifest
from reports.language import duration
from warehouse.errors import OpcoError, UserError
from warehouse.files import remove_leftovers, written_atomically
from warehouse.wording import counted, size

LEFT_OUT = {
    "never_played": "no connection in this session",
    "deleted_without_name": "deleted, and without a name",
    "instructs_the_session": "instructs the session and is not enrolled; --user names them",
    "not_asked_for": "not asked for",
    "left_the_session": "no longer in this session",
    "nothing_completed": "nothing completed",
    "without_duration": "completed what has no planned duration",
}
CAUSES = {
    "rules": "the rules of this release",
    "late_rows": "late connections",
    "corrected_rows": "corrected connections",
    "withdrawn_rows": "withdrawn connections",
    "inputs": "inputs",
    "settings": "settings",
    "session": "the session's name, dates or program",
    "learner": "the learner's name or employer",
    "results": "progress or score",
    "custom_fields": "custom fields beside the learner",
    "sources": "where progress or score come from",
    "planned": "the program's planned duration",
    "flags": "what an inspector would find",
    "activities": "activities",
    "log": "the log",
    "credited": "credited activities",
    "figures": "retained time or what it rests on",
    "period": "first or last day followed",
    "assistance": "assistance",
    "asked_for": "asked for with --force",
}
NAMED = 20
ATTESTATIONS = "attestations"
# The inputs whose option has another name or metavariable.
OPTIONS = {"name": "organisation_name", "custom_fields": "custom_field"}
METAVARS = {"logo": "NAME", "stamp": "NAME", "custom_fields": "TITLE"}


OutputOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="A folder that gets a copy of the issue; an earlier copy of the same session in it is replaced.",
    ),
]
IssuedOnOption = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="Date of issue, DD/MM/YYYY. Default: today in the display time zone."),
]
ReasonOption = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Why the date of issue is before the day of the data or after today: kept with the issue.",
    ),
]
FromSettingsOption = Annotated[
    bool,
    typer.Option("--from-settings", help="Take what is not given from the settings, not from the issue in force."),
]
UserOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="USER",
        help="Make only this learner's again: user_id or e-mail. Repeatable. Those of others stay as they are.",
    ),
]
MissingLettersOption = Annotated[
    bool,
    typer.Option(
        "--allow-missing-letters",
        help="Make documents though no font has one of their letters: a box stands there.",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Make all again, though nothing that is printed changed.")]


def takes_inputs(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each input of attestations, in the place of its parameter `inputs`."""
    options = {name: OPTIONS.get(name, name) for name in OrganisationSettings.model_fields}

    @wraps(command)
    def with_options(**values: Any) -> None:
        inputs = {name: values.pop(option) for name, option in options.items()}
        if inputs["custom_fields"] is not None:
            inputs["custom_fields"] = ";".join(inputs["custom_fields"])
        command(**values, inputs=inputs)

    added = []
    for name, option in options.items():
        is_list = name == "custom_fields"
        more, metavar = "Repeatable." if is_list else "", METAVARS.get(name, "TEXT")
        details = field_option(OrganisationSettings, name, more, metavar=metavar)
        annotation = Annotated[list[str] | None, details] if is_list else Annotated[str | None, details]
        added.append(Parameter(option, Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    parameters: list[Parameter] = []
    for one in signature(command, eval_str=True).parameters.values():
        parameters += added if one.name == "inputs" else [one.replace(kind=Parameter.KEYWORD_ONLY)]
    with_options.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
    with_options.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_options


@app.command(
    epilog="Examples:  opco attest S-2026-MGMT-09   ·   "
    "opco attest S-2026-MGMT-09 --output /tmp/attestations --issued-on 2026-11-10 --place Lyon"
)
@takes_inputs
def attest(
    session_id: SessionArgument,
    *,
    output: OutputOption = None,
    issued_on: IssuedOnOption = None,
    reason: ReasonOption = None,
    inputs: dict[str, str | None],
    from_settings: FromSettingsOption = False,
    user: UserOption = None,
    allow_missing_letters: MissingLettersOption = False,
    force: ForceOption = False,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make the attestations of one session: a PDF per learner who played it, a ZIP and a manifest.

    Each making is a new issue in a folder of its own under var/attestations. A learner whose document would print the
    same keeps the earlier PDF and number; a changed one gets a new PDF that replaces it. Where nothing changed, the
    latest issue stays in force. An input not given is that of the issue in force, else of the session's or
    the organisation's settings; an empty one ('') is left out of the document.
    """
    home = open_home(home_folder, {f"organisation.{name}": value for name, value in inputs.items()})
    config = _config(inputs, issued_on, reason, user, force, from_settings, allow_missing_letters)
    made = _make(AttestResult, home, session_id, ATTESTATION, None, config, output, debug=debug)
    print_result(made, as_json=as_json)


@app.command(
    epilog="Examples:  opco document certificate S-2026-MGMT-09   ·   opco document log S-2026-MGMT-09 --month 2026-09"
)
@takes_inputs
def document(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="certificate (de réalisation), attendance (assiduité), log (to sign).")
    ],
    session_id: SessionArgument,
    *,
    month: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM", help="Month that they are about. Default: the whole session; a log needs one."),
    ] = None,
    output: OutputOption = None,
    issued_on: IssuedOnOption = None,
    reason: ReasonOption = None,
    inputs: dict[str, str | None],
    from_settings: FromSettingsOption = False,
    user: UserOption = None,
    allow_missing_letters: MissingLettersOption = False,
    force: ForceOption = False,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make the documents of one kind of a session: a PDF per learner, a ZIP and a manifest.

    The certificat de réalisation and the attestation d'assiduité credit the hours of activities completed; the log of a
    month is to be signed. They are numbered, replaced, cancelled and verified as attestations are, and
    stand in a folder of their own under var/documents.
    """
    if kind not in DOCUMENT_KINDS:
        raise UserError(
            f"There is no kind of document {kind!r}. Known: {', '.join(DOCUMENT_KINDS)}; attestations: opco attest."
        )
    home = open_home(home_folder, {f"organisation.{name}": value for name, value in inputs.items()})
    config = _config(inputs, issued_on, reason, user, force, from_settings, allow_missing_letters)
    month = checked_month(month)
    made = _make(DocumentResult, home, session_id, kind, month, {**config, "month": month}, output, debug=debug)
    print_result(made, as_json=as_json)


def _config(
    inputs: Mapping[str, str | None],
    issued_on: str | None,
    reason: str | None,
    users: Sequence[str] | None,
    force: bool,
    from_settings: bool,
    allow_missing_letters: bool,
) -> dict[str, Any]:
    """Return the configuration of a run that issues documents."""
    return {
        **inputs,
        "issued_on": issued_on,
        "issued_on_reason": reason,
        "users": list(users or ()),
        "force": force,
        "from_settings": from_settings,
        "allow_missing_letters": allow_missing_letters,
    }


def _make(
    result: type[_IssueResult],
    home: Home,
    session_id: str,
    kind: str,
    month: str | None,
    config: dict[str, Any],
    output: Path | None,
    *,
    debug: bool,
) -> _IssueResult:
    """Issue documents of a kind, and copy them to `output`, if that is named."""
    _check_output(home, session_id, kind, month, output)
    job = ATTESTATIONS if kind == ATTESTATION else kind
    begin_early(home, session_id, job, config)
    issue = run(home, job, {ASSETS[job]: config}, session_id=session_id, debug=debug)[ASSETS[job]]
    return _result(result, home, session_id, issue, _copy(issue, kind, output))


@dataclass(frozen=True)
class _IssueResult(HomeResult):
    """An issue of documents; `changed` is false where the latest one stays in force."""

    session_id: str
    kind: str
    month: str | None
    changed: bool
    issue_number: int
    folder: str
    zip_path: str
    zip_sha256: str
    documents: int
    states: dict[str, int]
    pages: int
    bytes: int
    warnings: list[str]
    findings: list[Finding]
    files: tuple[IssuedDocument, ...]
    cancelled: tuple[CancelledDocument, ...]
    left_out: tuple[LeftOut, ...]
    copy: Path | None

    def facts(self) -> dict[str, Any]:
        """Return all of it, but for the digests of what the documents print."""
        facts = asdict(self)
        for file in facts["files"]:
            del file["printed"]
        return facts

    def lines(self) -> list[str]:
        """Return what was made, replaced, cancelled and left out, and where it is."""
        issue = f"issue {self.issue_number} of session {self.session_id}{f', {self.month}' if self.month else ''}"
        kind = KINDS[self.kind]
        named = kind.noun if self.documents == 1 else kind.nouns
        holds = f"{self.documents:,} {named}, {counted(self.pages, 'page')}, {size(self.bytes)}"
        if not self.changed:
            lines = [f"Nothing changed since {issue}: it stays in force ({holds}). --force makes all again."]
        else:
            states = ", ".join(f"{count:,} {state}" for state, count in self.states.items())
            replaced = [f"  {one.learner}: {_change(one)}" for one in self.files if one.state == "replaced"]
            cancelled = [
                f"  cancelled: {one.learner}, no. {one.number} ({LEFT_OUT[one.reason]})"
                for one in self.cancelled
                if one.cancelled_by_issue == self.issue_number
            ]
            lines = [f"Made      {holds}: {issue}", f"          {states}"]
            lines += [*_limited(replaced, "more replaced"), *_limited(cancelled, "more cancelled")]
        left_out = [
            f"  left out: {one.learner} ({LEFT_OUT[one.reason]}{f': {one.detail}' if one.detail else ''})"
            for one in self.left_out
        ]
        lines += [f"  an inspector would ask: {_finding(one)}" for one in self.findings]
        lines += _limited([f"  warning: {warning}" for warning in self.warnings], "more warnings")
        lines += _limited(left_out, "more left out")
        lines += [f"Folder    {self.folder}", f"ZIP       {self.zip_path}"]
        return [*lines, f"Copy      {self.copy}"] if self.copy else lines


class AttestResult(_IssueResult, command="attest"):
    """An issue of attestations."""


class DocumentResult(_IssueResult, command="document"):
    """An issue of documents of another kind."""


def _change(document: IssuedDocument) -> str:
    before, after = document.seconds_before, document.total_seconds
    total = f"{duration(after)} as before"
    if before is not None and before != after:
        total = f"{duration(before)} -> {duration(after)}"
    causes = "; ".join(_cause(cause) for cause in document.causes)
    replaces = (document.replaces or {}).get("number")
    return f"{total}{f' ({causes})' if causes else ''}, replaces no. {replaces}"


def _finding(finding: Finding) -> str:
    label = finding.label_en[:1].lower() + finding.label_en[1:]
    whose = f"{counted(finding.connection_count, 'connection')} of {counted(finding.learner_count, 'learner')}"
    time = "no time" if finding.flag == "open" else duration(finding.retained_seconds)
    return f"{label}: {whose}, {time}"


def _cause(cause: Cause) -> str:
    words = CAUSES[cause.kind]
    if cause.count:
        return f"{cause.count:,} {words}"
    return f"{words}: {', '.join(cause.names)}" if cause.names else words


def _limited(lines: Sequence[str], what: str) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = [f"  and {len(lines) - NAMED:,} {what} (all are in manifest.json)"] if len(lines) > NAMED else []
    return [*lines[:NAMED], *more]


def _result(
    result: type[_IssueResult], home: Home, session_id: str, made: Mapping[str, Any], copy: Path | None
) -> _IssueResult:
    """Return an issue from its asset's metadata; learners are named by its manifest alone."""
    names = ("issue_number", "folder", "zip_path", "zip_sha256", "documents", "states", "pages", "bytes", "warnings")
    manifest = read_manifest(Path(made["folder"]))
    return result(
        home=home.folder,
        session_id=session_id,
        kind=manifest.kind,
        month=manifest.month,
        changed=made["is_new"],
        **{name: made[name] for name in names},
        findings=[Finding(**one) for one in made["findings"]],
        files=manifest.documents,
        cancelled=manifest.cancelled,
        left_out=manifest.left_out,
        copy=copy,
    )


def _check_output(home: Home, session_id: str, kind: str, month: str | None, output: Path | None) -> None:
    """Raise UserError where a copy of the issue could not be put, before anything is made."""
    if output is None:
        return
    home.refuse_home_files(output.expanduser(), "--output")
    folder = output.expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output {output} is a file. Name a folder for the copy.")
    existing = next(one for one in (folder, *folder.parents) if one.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"--output {output}: {existing} is read-only for you. Name another folder for the copy.")
    if (folder / MANIFEST).exists():
        try:
            there = read_manifest(folder)
        except OpcoError as error:
            raise UserError(
                f"--output {output} holds another {MANIFEST}. Name an empty folder for the copy."
            ) from error
        if (there.session_id, there.kind, there.month) != (session_id, kind, month):
            of_month = f" in {there.month}" if there.month else ""
            raise UserError(
                f"--output {output} holds the {KINDS[there.kind].nouns} of session {there.session_id}{of_month}. Name "
                "another folder for the copy."
            )


def _copy(made: Mapping[str, Any], kind: str, output: Path | None) -> Path | None:
    """Copy the files of an issue into `output`, in place of an earlier copy there, and return that folder.

    Raises OpcoError saying that the issue is made and only the copy failed.
    """
    if output is None:
        return None
    folder = output.expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        is_copy = (folder / MANIFEST).exists()
        files = sorted(Path(made["folder"]).iterdir(), key=lambda path: path.name == MANIFEST)
        for path in files:
            with written_atomically(folder / path.name) as temporary:
                shutil.copyfile(path, temporary)
        if is_copy:
            # Two issues in one folder would be neither.
            names = {path.name for path in files}
            for pattern in (f"{KINDS[kind].stem}-*.pdf", f"{KINDS[kind].stems}-*.zip"):
                for path in folder.glob(pattern):
                    if path.name not in names:
                        path.unlink()
    except OSError as error:
        raise OpcoError(
            f"Issue {made['issue_number']} is made and stands in {made['folder']}; only its copy into {folder} failed: "
            f"{error.strerror or error}.\nCopy the folder yourself, or ask again with another --output: "
            "nothing is made twice."
        ) from error
    return folder
