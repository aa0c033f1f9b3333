"""The lists of 360Learning's API v2 that a pull reads, in their order, and the fields of them that it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from connectors.mapping import TEXT, text_columns

NUMBER = pa.float64()
IDS = pa.list_(TEXT)


@dataclass(frozen=True)
class Endpoint:
    """A list: its name here, its path, the scope that it needs, and the fields that are kept of its objects.

    A list that `tells_changes` has the filter modifiedAt; `filters` are those of every call.
    """

    name: str
    path: str
    scope: str
    fields: Mapping[str, pa.DataType]
    required: tuple[str, ...] = ("_id",)
    filters: Mapping[str, str] = field(default_factory=dict)
    tells_changes: bool = False

    @property
    def schema(self) -> pa.Schema:
        """The types that its objects are landed as."""
        return pa.schema(list(self.fields.items()))


LISTS = (
    Endpoint(
        "custom_fields",
        "/api/v2/custom-fields",
        "customFields:read",
        text_columns("_id", "name", "targetType", "type"),
        filters={"targetType[eq]": "users"},
    ),
    Endpoint("groups", "/api/v2/groups", "groups:read", text_columns("_id", "name", "parentId")),
    Endpoint(
        "users",
        "/api/v2/users",
        "users:read",
        {
            **text_columns("_id", "mail", "username", "status", "lang", "firstName", "lastName"),
            **text_columns("organization", "custom"),
            "deletedAt": IDS,
        },
    ),
    Endpoint(
        "paths",
        "/api/v2/paths",
        "paths:read",
        {
            **text_columns("_id", "name", "status"),
            "steps": pa.list_(
                pa.struct(
                    {
                        **text_columns("_id", "type"),
                        "options": pa.struct({"optional": pa.bool_(), "minScore": NUMBER}),
                    }.items()
                )
            ),
            "estimatedDuration": pa.struct([("unit", TEXT), ("value", NUMBER)]),
        },
        tells_changes=True,
    ),
    Endpoint(
        "sessions",
        "/api/v2/paths/sessions",
        "paths:read",
        {
            **text_columns("_id", "name", "pathId", "startDate", "endDate", "mainInstructorId"),
            "instructorIds": IDS,
            "rootSessionId": TEXT,
        },
        required=("_id", "pathId"),
        tells_changes=True,
    ),
    Endpoint(
        "courses",
        "/api/v2/courses",
        "courses:read",
        {**text_columns("_id", "name", "type", "status"), "duration": NUMBER},
        tells_changes=True,
    ),
    Endpoint(
        "enrollments",
        "/api/v2/paths/stats",
        "pathStats:read",
        {
            **text_columns("_id", "userId", "sessionId", "enrolledAt", "unenrolledAt", "completedAt"),
            "status": pa.struct([("type", TEXT)]),
            **dict.fromkeys(("progress", "score"), NUMBER),
        },
        required=("_id", "userId", "sessionId"),
    ),
    Endpoint(
        "attempts",
        "/api/v2/courses/stats",
        "courseStats:read",
        {
            **text_columns("_id", "userId", "courseId", "pathSessionId"),
            **text_columns("firstActivityAt", "lastActivityAt", "completedAt"),
            **dict.fromkeys(("timeSpent", "progress", "score"), NUMBER),
        },
        required=("_id", "userId", "courseId"),
    ),
)
"""The lists of every pull. Enrolments come with their progress from the statistics of paths, one list for all of them;
an attempt that is open is in no filter, so that all attempts are read each time."""

FIELD_VALUES = Endpoint(
    "field_values",
    "/api/v2/users/{}/custom-fields/values",
    "users:read",
    text_columns("customFieldId", "type", "value"),
    required=("customFieldId",),
)
"""What a user's custom fields hold: one call a user."""

GROUP_MEMBERS = Endpoint(
    "group_members",
    "/api/v2/groups/{}/roles",
    "groups:read",
    text_columns("userId", "role"),
    required=("userId",),
)
"""Who is in a group: one call a group."""
