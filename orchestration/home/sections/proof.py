"""Settings of what is shown beside connected time: what is credited, who is followed up, which days are holidays."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestration.home.sections.kinds import Section, Whole


class CreditSettings(Section):
    """What a step of the program is worth (D1); they reach dbt as the var `credit`."""

    without_duration: Literal["refuse", "zero"] = Field(
        description="What a completed step without a planned duration is worth: no sum, and no document; or nothing."
    )
    partial: Literal["none", "pro_rata"] = Field(
        description="What a step that was begun is worth: nothing, or its progress times its planned duration."
    )
    cap_at_program: bool = Field(
        description="Whether credited time stays within the planned duration of the program, where it has one."
    )
    suspicious_below_pct: Annotated[Whole, Field(ge=0, le=100)] = Field(
        description="Percentage of its planned duration below which a completed course is listed as to be looked at."
    )


class FollowUpSettings(Section):
    """When a learner has to be chased (D4); they reach dbt as the var `follow_up`."""

    silence_days: Annotated[Whole, Field(ge=1, le=366)] = Field(
        description="Days without any activity after which a learner of an open session is one to chase."
    )


class CalendarSettings(Section):
    """Which days are public holidays; they reach dbt as the var `calendar`."""

    territory: Literal[
        "metropole",
        "alsace_moselle",
        "guadeloupe",
        "martinique",
        "guyane",
        "la_reunion",
        "mayotte",
        "saint_barthelemy",
        "saint_martin",
    ] = Field(description="Place whose public holidays `dim_dates` has; a figure of proof does not depend on it.")
