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

        Hours by week, of nights and of weekends are cut at midnight and where the night begins and ends
        (`fct_learner_days`).
        """
    )
    return (retained_seconds,)


@app.cell
def by_week(alt, db, mo):
    weeks = db.execute(
        """
        select
            date_trunc('week', day_on) as week,
            week + interval 6 day as last_day,
            sum(retained_seconds) / 3600 as hours,
            count(distinct user_id) as learners
        from fct_learner_days
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
def nights_and_weekends(alt, db, mo):
    # A night of a weekend is in both.
    off_hours = db.execute(
        """
        select
            days.session_id,
            any_value(sessions.session_name) || ' (' || days.session_id || ')' as session,
            sum(days.night_seconds) / 3600 as night,
            sum(days.weekend_seconds) / 3600 as weekend,
            sum(days.holiday_seconds) / 3600 as "public holiday"
        from fct_learner_days as days
        inner join fct_program_sessions as sessions on days.session_id = sessions.session_id
        group by days.session_id
        order by session
        """
    ).to_arrow_table()
    off_plot = (
        alt.Chart(off_hours, title="Night, weekend and public holidays")
        .transform_fold(["night", "weekend", "public holiday"], as_=["when", "hours"])
        .mark_bar()
        .encode(
            x=alt.X("hours:Q", title="retained hours"),
            y=alt.Y("session:N", title=None, axis=alt.Axis(labelLimit=320)),
            yOffset="when:N",
            color=alt.Color("when:N", title=None),
            tooltip=["session:N", "when:N", alt.Tooltip("hours:Q", format=".2f")],
        )
        .properties(width="container", height={"step": 12})
    )
    mo.ui.altair_chart(off_plot, chart_selection=False, legend_selection=False)
    return (off_hours,)


@app.cell
def beginnings(alt, db, mo, zone):
    begun = db.execute(
        """
        with local_connections as (
            select timezone($zone, connected_at at time zone 'UTC') as connected_local
            from fct_opco_connections
        )

        select
            isodow(connected_local) as weekday_number,
            dayname(connected_local) as weekday,
            hour(connected_local) as hour,
            count(*) as connections
        from local_connections
        group by all
        order by weekday_number, hour
        """,
        {"zone": zone},
    ).to_arrow_table()
    begun_plot = (
        alt.Chart(begun, title="When connections begin")
        .mark_rect()
        .encode(
            x=alt.X("hour:O", title="hour", scale=alt.Scale(domain=list(range(24)))),
            y=alt.Y("weekday:O", title=None, sort=alt.EncodingSortField("weekday_number")),
            color=alt.Color("connections:Q", scale=alt.Scale(scheme="blues")),
            tooltip=["weekday:O", "hour:O", "connections:Q"],
        )
        .properties(width="container", height=220)
    )
    mo.ui.altair_chart(begun_plot, chart_selection=False, legend_selection=False)
    return (begun,)


if __name__ == "__main__":
    app.run()
