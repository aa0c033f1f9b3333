"""The learners, one of them, and what became of each row that was delivered about one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from portal import access, learner_queries, queries
from portal.charts import month_of, pieces, shade
from portal.pages.common import PageRequest, found
from portal.previews import BusyError, Previews
from reports.days import read_day
from warehouse.errors import OpcoError
from warehouse.why import Answer, Question, explain

COLUMNS = (
    ("name", False),
    ("session", False),
    ("status", False),
    ("time", True),
    ("progress", True),
    ("activity", False),
)
"""The columns of the list, each a key of `learner_queries.SORTS`, and whether it holds a number."""
NEWEST_FIRST = ("activity",)
ROWS_SHOWN = 500
"""So many rows of one answer are listed."""


def routes() -> list[access.GuardedRoute]:
    """Return the routes of these pages."""
    return [
        access.route("/learners", learners, who=access.signed_in),
        access.route("/learners/{user_id:key}", learner, who=access.learner("user_id")),
        access.route("/learners/{user_id:key}/rows", learner_rows, who=access.administrator),
    ]


def learners(request: Request) -> Response:
    """List the learners of the sessions that the person may see."""
    page = PageRequest(request)
    asked = request.query_params
    statuses = page.codes("follow_up_statuses", "follow_up_status")
    status = asked.get("status") if asked.get("status") in statuses else None
    proof = asked.get("proof") if asked.get("proof") in queries.PROOF_LEVELS else None
    columns = [*COLUMNS]
    if proof:
        columns.insert(4, (proof, True))
    sort = asked.get("sort", "")
    if sort not in dict(columns):
        sort = proof or "name"
    order = asked.get("order")
    if order not in ("asc", "desc"):
        order = "desc" if sort == proof else "asc"
    runs_alone = asked.get("only") == "running"
    search = page.searched()
    listed = learner_queries.list_people(
        page.db,
        page.visible,
        page.now,
        search=search,
        status=status,
        proof=proof,
        runs_alone=runs_alone,
        sort=sort,
        descending=order == "desc",
        page=page.number(),
    )
    narrowed = {"q": search, "status": status, "proof": proof, "only": "running" if runs_alone else None}
    return page.render(
        "learners.html",
        list=listed,
        narrowed=narrowed,
        statuses=statuses,
        proofs=queries.PROOF_LEVELS,
        sort=sort,
        order=order,
        columns=columns,
        descends_first={name for name, numeric in columns if numeric or name in NEWEST_FIRST},
    )


def learner(request: Request) -> Response:
    """Show a learner: sessions, time and what keeps more from counting, days, steps, flags, evidence, connections."""
    page = PageRequest(request)
    asked, zone, who = request.query_params, page.build.display_timezone, request.state.learner
    session_id = asked.get("session") or None
    opened = found(learner_queries.open_learner(page.db, page.visible, who, session_id))
    flag_words = page.codes("connection_flags", "flag")
    flag = asked.get("flag") if asked.get("flag") in flag_words else None
    proof = asked.get("proof") if asked.get("proof") in queries.PROOF_LEVELS else None
    day = _day(asked.get("day"))
    days = learner_queries.list_days(page.db, opened, page.number("months"))
    totals = learner_queries.read_totals(page.db, opened)
    return page.render(
        "learner.html",
        who=who,
        accounts=learner_queries.list_other_accounts(page.db, page.visible, who),
        sessions=opened.sessions,
        session=next((one for one in opened.sessions if one["session_id"] == session_id), None),
        totals=totals,
        levels=proof_levels(totals),
        statuses=page.codes("follow_up_statuses", "follow_up_status"),
        reasons=page.codes("follow_up_reasons", "follow_up_reason"),
        months=[month_of(*month) for month in dict.fromkeys((one["month"], one["month_seconds"]) for one in days.rows)],
        days=days,
        shade=shade,
        by_day={one["day_on"]: one for one in days.rows},
        steps=learner_queries.list_steps(page.db, opened, zone),
        flags=learner_queries.read_flags(page.db),
        flag_words=flag_words,
        evidence=learner_queries.read_evidence(page.db),
        evidence_words=page.codes("evidence_levels", "evidence_level", "strength desc"),
        end_words=page.codes("end_kinds", "end_kind"),
        lines=learner_queries.list_lines(page.db, zone, day=day, flag=flag, proof=proof, page=page.number()),
        narrowed={"session": session_id, "day": day, "flag": flag, "proof": proof},
    )


def learner_rows(request: Request) -> Response:
    """List what became of each raw row of a learner, on a day or ever, as `opco why` tells it."""
    page = PageRequest(request)
    user_id = request.path_params["user_id"]
    who = found(access.find_learner(page.db, page.person, user_id))
    day = _day(request.query_params.get("day"))
    answers = _explained(page, Question(user_id=user_id, day=day))
    return page.render(
        "learner_rows.html",
        who=who,
        day=day,
        rows=None if answers is None else [_local(page, answer) for answer in answers[:ROWS_SHOWN]],
        outcomes=Counter(answer.outcome for answer in answers or ()).most_common(),
    )


def proof_levels(sums: queries.Row) -> list[dict[str, Any]]:
    """Return the seconds of each proof level (D2) in `sums`, with its piece of the bar of them all."""
    seconds = [sums[f"{level}_seconds"] for level in queries.PROOF_LEVELS]
    return [
        {"level": level, "seconds": one, "pct": sums[f"{level}_pct"], "piece": piece}
        for level, one, piece in zip(queries.PROOF_LEVELS, seconds, pieces(seconds), strict=True)
    ]


def _day(text: str | None) -> date | None:
    """Return the day that an address names; None for what is no day."""
    try:
        return read_day(text) if text else None
    except ValueError:
        return None


def _explained(page: PageRequest, question: Question) -> list[Answer] | None:
    """Return what became of the rows; None where it cannot be told now."""
    previews: Previews = page.request.app.state.previews
    try:
        with previews.slot(f"why {page.person.email}"):
            return explain(page.home.build_file, question)
    except BusyError as error:
        raise HTTPException(429, headers={"Retry-After": "10"}) from error
    except OpcoError:
        # A build is at work, or was removed: what is published stays.
        return None


def _local(page: PageRequest, answer: Answer) -> dict[str, Any]:
    """Return a row's answer with its instants as a clock in the display time zone shows them."""
    zone = ZoneInfo(page.build.display_timezone)

    def local(instant: datetime | None) -> datetime | None:
        return instant.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) if instant else None

    return {
        **vars(answer),
        "happened_local": local(answer.happened_at),
        "connected_local": local(answer.connected_at),
        "disconnected_local": local(answer.disconnected_at),
    }
