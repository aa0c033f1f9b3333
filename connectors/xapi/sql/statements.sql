-- One row per statement as it was told: what of it the raw tables need, and why it is left out by itself; null where it
-- is not. A line that is no JSON object has a row as well.
with
parsed as (
    select
        place,
        file,
        line,
        made_ids.made_id,
        case
            when starts_with(text, '{')
                then try(from_json(
                    text,
                    '{"id": "VARCHAR",
                      "actor": {"objectType": "VARCHAR", "name": "VARCHAR", "mbox": "VARCHAR", "mbox_sha1sum": "VARCHAR",
                                "openid": "VARCHAR", "account": {"homePage": "VARCHAR", "name": "VARCHAR"}, "member": "JSON"},
                      "verb": {"id": "VARCHAR"},
                      "object": {"objectType": "VARCHAR", "id": "VARCHAR",
                                 "definition": {"name": "JSON", "type": "VARCHAR"}},
                      "result": {"success": "BOOLEAN", "duration": "VARCHAR",
                                 "score": {"scaled": "DOUBLE", "raw": "DOUBLE", "max": "DOUBLE"}},
                      "context": {"registration": "VARCHAR", "extensions": "JSON",
                                  "contextActivities": {"parent": "JSON", "grouping": "JSON", "category": "JSON"}},
                      "timestamp": "VARCHAR", "stored": "VARCHAR"}'
                ))
        end as statement
    from lines
    left join made_ids using (place)
),

named as (
    select
        place,
        file,
        line,
        made_id,
        statement is null as is_malformed,
        nullif(lower(trim(statement.id)), '') as told_id,
        statement.actor as actor,
        nullif(trim(statement.actor.account.name), '') as account_name,
        lower(nullif(regexp_replace(trim(statement.actor.mbox), '^mailto:', '', 'i'), '')) as mbox,
        nullif(statement.verb.id, '') as verb,
        regexp_extract(statement.verb.id, '([^/#]+)/?$', 1) as verb_name,
        coalesce(statement.object.objectType, 'Activity') as object_type,
        nullif(statement.object.id, '') as object_id,
        statement.object.definition.name as object_names,
        statement.object.definition.type as object_kind,
        statement.result as result,
        nullif(lower(statement.context.registration), '') as registration,
        statement.context.extensions as extensions,
        activities(statement.context.contextActivities.parent) as parents,
        activities(statement.context.contextActivities.grouping) as groupings,
        coalesce(
            list_contains(
                list_transform(activities(statement.context.contextActivities.category), lambda one: one.id),
                'https://w3id.org/xapi/cmi5/context/categories/cmi5'
            ),
            false
        ) as has_cmi5_category,
        extension(statement.context.extensions, 'https://w3id.org/xapi/cmi5/context/extensions/sessionid') as cmi5_session,
        instant(statement.timestamp) as occurred_at,
        instant(statement.stored) as stored_at
    from parsed
),

placed as (
    select
        *,
        has_cmi5_category or cmi5_session is not null as is_cmi5,
        the_course(parents) as parent_activity,
        the_course(groupings) as grouping_activity,
        list_filter(
            groupings || parents
            || [{'id': object_id, 'definition': {'name': object_names, 'type': object_kind}}],
            lambda one: one.definition.type in (
                'https://w3id.org/xapi/cmi5/activitytype/course', 'http://adlnet.gov/expapi/activities/course'
            )
        )[1] as course_activity,
        -- Under cmi5 the LMS makes up an id for the object; the publisher's own one stays when the course is imported
        -- again, and statements about a part of the activity have it too.
        if(
            has_cmi5_category or cmi5_session is not null,
            list_filter(
                groupings,
                lambda one: one.definition.type is distinct from 'https://w3id.org/xapi/cmi5/activitytype/course'
            )[1],
            null
        ) as published_unit
    from named
)

select
    place,
    file,
    line,
    coalesce(told_id, made_id) as statement_id,
    case
        when account_name is not null
            then coalesce(actor.account.homePage, '') || '|' || id_without_address(account_name)
        when mbox is not null then id_of_email(mbox)
        when nullif(actor.mbox_sha1sum, '') is not null then 'sha1-' || lower(actor.mbox_sha1sum)
        else nullif(actor.openid, '')
    end as user_id,
    nullif(trim(actor.name), '') as user_name,
    coalesce(mbox, if(account_name like '%_@_%', lower(account_name), null)) as email,
    verb,
    verb_name,
    is_cmi5,
    object_id,
    object_names,
    coalesce(published_unit.id, object_id) as course_id,
    if(published_unit.id is null, object_names, coalesce(published_unit.definition.name, object_names)) as course_names,
    case getvariable('session')
        when 'parent' then parent_activity.id
        when 'grouping' then grouping_activity.id
        when 'registration' then registration
        else extension(extensions, getvariable('session'))
    end as session_id,
    case getvariable('session')
        when 'parent' then parent_activity.definition.name
        when 'grouping' then grouping_activity.definition.name
        when 'registration' then coalesce(course_activity.definition.name, grouping_activity.definition.name, object_names)
    end as session_names,
    case getvariable('session')
        when 'parent' then coalesce(grouping_activity.id, parent_activity.id)
        when 'grouping' then grouping_activity.id
        when 'registration' then coalesce(course_activity.id, grouping_activity.id, object_id)
        else coalesce(parent_activity.id, grouping_activity.id)
    end as template_id,
    case getvariable('session')
        when 'parent' then if(grouping_activity.id is null, parent_activity.definition.name, grouping_activity.definition.name)
        when 'grouping' then grouping_activity.definition.name
        when 'registration'
            then case
                when course_activity.id is not null then course_activity.definition.name
                when grouping_activity.id is not null then grouping_activity.definition.name
                else object_names
            end
        else if(parent_activity.id is null, grouping_activity.definition.name, parent_activity.definition.name)
    end as template_names,
    if(course_activity.id is null, 2, 1) as template_rank,
    parent_activity.id as parent_id,
    grouping_activity.id as grouping_id,
    registration,
    coalesce(
        cmi5_session, extension(extensions, 'https://w3id.org/xapi/video/extensions/session-id'), registration
    ) as attempt_id,
    occurred_at,
    stored_at,
    result.success as is_success,
    case
        when isfinite(result.score.scaled) then 100 * result.score.scaled
        when result.score.max > 0 then 100 * result.score.raw / result.score.max
    end as score_pct,
    result.score.scaled is not null or result.score.raw is not null as has_score,
    iso_seconds(result.duration) as duration_seconds,
    if(verb_name = 'voided' and object_type = 'StatementRef', lower(object_id), null) as voided_id,
    case
        when is_malformed then 'malformed'
        when stored_at > getvariable('latest_stored') then 'stored_in_future'
        when verb_name = 'voided' then 'voiding'
        when actor is null then 'no_actor'
        when actor.objectType = 'Group' or actor.member is not null then 'group'
        when coalesce(account_name, mbox, nullif(actor.mbox_sha1sum, ''), nullif(actor.openid, '')) is null
            then 'actor_without_id'
        when verb is null then 'no_verb'
        when object_type <> 'Activity' or object_id is null then 'not_an_activity'
        when verb_name in ('launched', 'satisfied', 'abandoned', 'waived') then 'not_the_learner'
        when occurred_at is null then 'no_timestamp'
    end as reason
from placed
