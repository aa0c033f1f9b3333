"""What people say for a session's attestations beside the data: the one declaration of each input.

The settings [organisation] and [sessions."ID"], the options of `opco attest`, the configuration of its run and the form
of the portal take names, kinds and descriptions from here.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from reports.kinds import ImageName, Text, Titles
from reports.language import Language


class GivenInputs(BaseModel):
    """The inputs that may be given, by the names of their settings; a part whose input is None is not printed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Text = Field(default=None, description="Name of the training organisation.")
    legal_representative: Text = Field(default=None, description="Who signs: the legal representative's name.")
    capacity: Text = Field(default=None, description="In which capacity they sign, such as Directrice.")
    place: Text = Field(default=None, description="Place of signing.")
    training_duration: Text = Field(
        default=None,
        description="Duration of training sessions, printed as typed in place of the planned one; as a setting, of one "
        "session alone.",
    )
    footer: Text = Field(default=None, description="Text at the foot of every page.")
    logo: ImageName = Field(default=None, description="Image of the letterhead, in the home's folder assets/.")
    stamp: ImageName = Field(
        default=None, description="Image of the stamp and signature, in the home's folder assets/."
    )
    language: Language = Field(default="fr", description="Language of the attestations.")
    custom_fields: Titles = Field(
        default=(), description="Titles of custom fields to print beside the learner, such as a file number."
    )


class AttestationInputs(GivenInputs):
    """All inputs of an issue.

    `folds_zero_seconds` says whether the log has a day's connections of zero seconds in one line; `left_out` names
    inputs that were left out though the settings have them; `nouns` are the platform's own words for a `session`, a
    `program_template` and a `course`, by these names; `log_limits` names what the method says of logs that do not know
    everything, by the keys of `LOG_LIMITS`.
    """

    folds_zero_seconds: bool = True
    left_out: tuple[str, ...] = ()
    nouns: tuple[tuple[str, str], ...] = ()
    log_limits: tuple[str, ...] = ()

    @property
    def images(self) -> dict[str, str | None]:
        """The names of the images, by what they are for."""
        return {part: getattr(self, part) for part in IMAGES}


LOG_LIMITS = {
    "360learning": {"native_log"},
    "moodle_log": {"event_run"},
    "virtual_classes": {"native_log", "attempt_span"},
    "xapi": {"event_pair", "event_run"},
}
"""Kinds of logs with limits that the method states, and the evidence levels of the connections that they give."""
IMAGES = ("logo", "stamp")
TEXTS = tuple(name for name in GivenInputs.model_fields if name not in (*IMAGES, "language", "custom_fields"))
