"""Training hours of a home, as plots on its published file: `marimo run notebooks/training.py -- --home ~/opco`."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Training hours")


@app.cell
def libraries():
    from pathlib import Path

    import altair as alt
    import marimo as mo

    from orchestration.home.paths import Home
    from reports.language import duration
    from warehouse.published import open_published

    return Home, Path, alt, duration, mo, open_published


@app.cell
def build(Home, Path, mo, open_published):
    # Read-only, as every reader of a home: builds go on meanwhile, and this one is kept until the notebook ends.
    given = mo.cli_args().get("home")
    db = open_published(Home.find(Path(given) if given else None).warehouse)
    ((build_id, data_as_of, zone),) = db.execute(
        "select build_id, data_as_of, display_timezone from warehouse_build"
    ).fetchall()
    return build_id, data_as_of, db, zone


@app.cell
def totals(build_id, data_as_of, db, duration, mo, zone):
    ((connection_count, learner_count, session_count, retained_seconds, open_count),) = db.execute(
        """
        select
            count(*),
            count(distinct user_id),
            count(distinct session_id),
            cast(coalesce(sum(retained_seconds), 0) as bigint),
            count(*) - count(retained_seconds)
        from fct_opco_connections
        """
    ).fetchall()
    mo.md(
        f"""
        # Training hours

        **{duration(retained_seconds)}** retained. Connections: {connection_count:,} (open, which count nothing:
        {open_count:,}); learners: {learner_count:,}; sessions: {session_count:,}. Build `{build_id}`, data as of
        {data_as_of:%d/%m/%Y %H:%M} UTC; days and hours below are those of {zone}.

        A connection stands where it begins: in that week, on that day, at that hour.
        """
    )
    return (retained_seconds,)


@app.cell
def by_week(alt, db, mo):
    weeks = db.execute(
        """
        select
            date_trunc('week', connected_on) as week,
            week + interval 6 day as last_day,
            sum(retained_seconds) / 3600 as hours,
            count(distinct user_id) as learners
        from fct_opco_connections
        group by all
        order by week
        """
    ).to_arrow_table()
    week_plot = (
        alt.Chart(weeks, title="Hours by week")
        .mark_bar()
        .encode(
            x=alt.X("week:T", title=None),
            x2="last_day:T",
            y=alt.Y("hours:Q", title="retained hours"),
            y2=alt.datum(0),
            tooltip=["week:T", alt.Tooltip("hours:Q", format=".2f"), "learners:Q"],
        )
        .properties(width="container", height=240)
    )
    mo.ui.altair_chart(week_plot, chart_selection=False, legend_selection=False)
    return (weeks,)


@app.cell
def by_session(alt, db, mo):
    # What proves the time, from the strongest evidence to the weakest.
    sessions = db.execute(
        """
        select
            connections.session_name || ' (' || connections.session_id || ')' as session,
            evidence_levels.label_en as evidence,
            evidence_levels.strength,
            sum(connections.retained_seconds) / 3600 as hours
        from fct_opco_connections as connections
        inner join evidence_levels on connections.evidence_level = evidence_levels.evidence_level
        group by all
        order by session, strength desc
        """
    ).to_arrow_table()
    evidence = alt.Color("evidence:N", title="evidence", sort=alt.EncodingSortField("strength", order="descending"))
    order = alt.Order("strength:Q", sort="descending")
    session_base = alt.Chart(sessions).mark_bar().properties(width="container", height={"step": 28})
    session_axis = alt.Y("session:N", title=None, axis=alt.Axis(labelLimit=320))
    shown = ["session:N", "evidence:N", alt.Tooltip("hours:Q", format=".2f")]
    session_plot = session_base.encode(
        x=alt.X("hours:Q", title="retained hours"), y=session_axis, color=evidence, order=order, tooltip=shown
    ).properties(title="Hours by session")
    evidence_plot = session_base.encode(
        x=alt.X("hours:Q", title="share of the retained hours", stack="normalize", axis=alt.Axis(format="%")),
        y=session_axis,
        color=evidence,
        order=order,
        tooltip=shown,
    ).properties(title="What proves them")
    mo.vstack(
        [
            mo.ui.altair_chart(plot, chart_selection=False, legend_selection=False)
            for plot in (session_plot, evidence_plot)
        ]
    )
    return (sessions,)


@app.cell
def night(mo):
    night_begins = mo.ui.slider(18, 23, value=21, label="the night begins at", show_value=True)
    night_ends = mo.ui.slider(4, 9, value=6, label="and ends at", show_value=True)
    mo.hstack([night_begins, night_ends], justify="start")
    return night_begins, night_ends


@app.cell
def by_hour(alt, db, mo, night_begins, night_ends, zone):
    hours = db.execute(
        """
        with local_connections as (
            select timezone($zone, connected_at at time zone 'UTC') as connected_local, retained_seconds
            from fct_opco_connections
        )

        select
            isodow(connected_local) as weekday_number,
            dayname(connected_local) as weekday,
            hour(connected_local) as hour,
            sum(retained_seconds) / 3600 as hours,
            count(*) as connections
        from local_connections
        group by all
        order by weekday_number, hour
        """,
        {"zone": zone},
    ).to_arrow_table()
    ((night_hours, weekend_hours),) = db.execute(
        """
        with local_connections as (
            select timezone($zone, connected_at at time zone 'UTC') as connected_local, retained_seconds
            from fct_opco_connections
        )

        select
            coalesce(sum(case when hour(connected_local) >= $begins or hour(connected_local) < $ends
                then retained_seconds end), 0) / 3600,
            coalesce(sum(case when isodow(connected_local) >= 6 then retained_seconds end), 0) / 3600
        from local_connections
        """,
        {"zone": zone, "begins": night_begins.value, "ends": night_ends.value},
    ).fetchall()
    hour_plot = (
        alt.Chart(hours, title="Night and weekend")
        .mark_rect()
        .encode(
            x=alt.X("hour:O", title="hour of the beginning", scale=alt.Scale(domain=list(range(24)))),
            y=alt.Y("weekday:O", title=None, sort=alt.EncodingSortField("weekday_number")),
            color=alt.Color("hours:Q", title="retained hours", scale=alt.Scale(scheme="blues")),
            tooltip=["weekday:O", "hour:O", alt.Tooltip("hours:Q", format=".2f"), "connections:Q"],
        )
        .properties(width="container", height=220)
    )
    mo.vstack(
        [
            mo.ui.altair_chart(hour_plot, chart_selection=False, legend_selection=False),
            mo.md(
                f"Begun between {night_begins.value}:00 and {night_ends.value}:00: **{night_hours:,.1f} h**. "
                f"Begun on a Saturday or Sunday: **{weekend_hours:,.1f} h**. Night and weekend overlap."
            ),
        ]
    )
    return hours, night_hours, weekend_hours


if __name__ == "__main__":
    app.run()
