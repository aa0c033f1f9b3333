"""Makes a raw folder of any number of events, the same for the same numbers: `generate.py FOLDER --events 10000000`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import duckdb

EVENTS_A_LEARNER = 500
LEARNERS_A_SESSION = 20
FILES = 20

# A learner's events follow one another after some seconds, now and then after hours; now and then they change course
# or leave the session's pages. Everything comes from hashes of numbers, so that nothing depends on threads.
EVENTS = """
with numbers as (
    select
        number,
        number // {events_a_learner} as learner,
        hash(number * 7919 + {seed}) as chance
    from range({first}, {last}) as range (number)
),

steps as (
    select
        *,
        case when chance % 100 < 4 then 36000 + chance % 200000 else 5 + chance // 128 % 500 end as gap_seconds,
        (chance // 1024) % 100 as turn
    from numbers
),

placed as (
    select
        *,
        sum(gap_seconds) over (partition by learner order by number) as elapsed,
        sum(case when turn < 6 then 1 else 0 end) over (partition by learner order by number) as place
    from steps
)

select
    '{prefix}' || number as event_id,
    'u' || learner as user_id,
    case when place % 5 <> 4 then 's' || learner // {learners_a_session} end as session_id,
    case when place % 5 <> 4 then 'c' || (place % 5) else 'site' end as course_id,
    case when turn = 99 then 'completed' when turn = 98 then 'disconnected' else 'active' end as verb,
    timestamp '{beginning}' + to_seconds(cast(elapsed as bigint)) as occurred_at,
    cast(null as varchar) as attempt_id
from placed
order by occurred_at
"""


def generate(folder: Path, events: int, events_a_learner: int = EVENTS_A_LEARNER) -> None:
    """Write a raw folder with `events` events, and the snapshot tables of their learners."""
    folder.mkdir(parents=True)
    learners = -(-events // events_a_learner)
    sessions = -(-learners // LEARNERS_A_SESSION)
    with duckdb.connect() as connection:
        for name, query in {
            "users": f"select 'u' || n as user_id, 'N' || n as last_name from range({learners}) as r (n)",
            "program_templates": "select 'p' as program_template_id, 'Program' as name",
            "program_sessions": (
                "select 's' || n as session_id, 'p' as program_template_id, 'Session ' || n as name "
                f"from range({sessions}) as r (n)"
            ),
            "courses": "select unnest(['c0', 'c1', 'c2', 'c3', 'site']) as course_id, course_id as name",
        }.items():
            connection.execute(f"copy ({query}) to '{folder / name}.csv' (header)")
        (folder / "learning_events").mkdir()
        slice_ = -(-events // FILES // events_a_learner) * events_a_learner
        for number, start in enumerate(range(0, events, slice_)):
            query = EVENTS.format(
                events_a_learner=events_a_learner,
                learners_a_session=LEARNERS_A_SESSION,
                first=start,
                last=min(start + slice_, events),
                seed=1,
                prefix="e",
                beginning="2024-01-08 06:00:00",
            )
            connection.execute(f"copy ({query}) to '{folder}/learning_events/{number:03d}.parquet'")


def generate_night(folder: Path, day: Path, events: int) -> None:
    """Write the delivery of a night after `day`, of `events` events: 1 % more events of 2 % of its learners.

    The snapshot tables are those of `day`.
    """
    (folder / "learning_events").mkdir(parents=True)
    for path in day.glob("*.csv"):
        shutil.copy(path, folder)
    learners = max(events // EVENTS_A_LEARNER * 2 // 100, 1)
    new = events // 100
    query = EVENTS.format(
        events_a_learner=-(-new // learners),
        learners_a_session=LEARNERS_A_SESSION,
        first=0,
        last=new,
        seed=2,
        prefix="n",
        beginning="2024-09-02 06:00:00",
    )
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{folder}/learning_events/night.parquet'")


def main() -> None:
    """Write the folder that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="A folder that does not exist yet.")
    parser.add_argument("--events", type=int, default=1_000_000, help="How many events. Default: 1,000,000.")
    arguments = parser.parse_args()
    generate(arguments.folder, arguments.events)


if __name__ == "__main__":
    main()
