"""The documents of one program session beside its attestations: an asset a kind, the month as run configuration."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from orchestration.defs.attestations.assets import CHECK, CHECKED, DocumentConfig, issued
from orchestration.defs.attestations.issuing import checked_month
from orchestration.defs.attestations.partitions import SESSIONS
from orchestration.runs.asker import Asker
from orchestration.runs.background import ASSETS, DOCUMENT_KINDS, Kind
from orchestration.runs.mistakes import tells_mistakes
from orchestration.runs.progress import Progress
from orchestration.runs.resources import HomeResource

DESCRIPTIONS = {
    "certificate": "One certificat de réalisation per learner who completed something: hours credited for activities.",
    "attendance": "One attestation d'assiduité per learner: activities done, assessments, assistance, evidence.",
    "log": "One log of connections of a month per learner, to be signed by learner and trainer.",
}


class MonthlyConfig(DocumentConfig):
    """What the documents say beside the data, how the issue is made, and which month they are about."""

    month: str | None = Field(
        default=None, description="Month of the documents, YYYY-MM. Default: the whole session; a log needs one."
    )


def document_asset(kind: Kind) -> dg.AssetsDefinition:
    """Return the asset of a kind of document."""

    @dg.asset(
        name=ASSETS[kind],
        group_name="documents",
        kinds={"pdf"},
        partitions_def=SESSIONS,
        deps=["published_warehouse"],
        check_specs=[dg.AssetCheckSpec(CHECK, asset=ASSETS[kind], description=CHECKED)],
        description=DESCRIPTIONS[kind],
    )
    @tells_mistakes
    def documents(
        context: dg.AssetExecutionContext,
        config: MonthlyConfig,
        home: HomeResource,
        progress: dg.ResourceParam[Progress],
        asker: dg.ResourceParam[Asker],
    ) -> Iterator[Any]:
        yield from issued(context, config, home, progress, asker, kind, checked_month(config.month))

    return documents


@dg.definitions
def defs() -> dg.Definitions:
    """Define the documents, and a job for each kind."""
    assets = {kind: document_asset(kind) for kind in DOCUMENT_KINDS}
    return dg.Definitions(
        assets=list(assets.values()),
        jobs=[
            dg.define_asset_job(kind, selection=[asset], description=DESCRIPTIONS[kind])
            for kind, asset in assets.items()
        ],
    )
