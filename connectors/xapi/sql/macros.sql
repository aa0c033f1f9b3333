-- What the SQL of statements calls.

-- The activities of a property of the context, which is a list or, in old statements, one activity.
create or replace macro activities(property) as coalesce(
    from_json(
        if(json_type(property) = 'OBJECT', '[' || cast(property as varchar) || ']', property),
        '[{"id": "VARCHAR", "definition": {"name": "JSON", "type": "VARCHAR"}}]'
    ),
    []
);

-- Of several activities that which says that it is a course, else the first one; null of none.
create or replace macro the_course(found) as coalesce(
    list_filter(
        found,
        lambda one: one.definition.type in (
            'https://w3id.org/xapi/cmi5/activitytype/course', 'http://adlnet.gov/expapi/activities/course'
        )
    )[1],
    found[1]
);

create or replace macro extension(extensions, iri) as
    nullif(trim(json_extract_string(extensions, '$."' || iri || '"')), '');

-- An instant in UTC; null where it is none. A time without an offset is UTC, a day alone is no instant.
create or replace macro instant(cell) as if(
    regexp_matches(cell, '^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}'),
    timezone('UTC', try_cast(replace(replace(cell, 't', 'T'), 'z', 'Z') as timestamptz)),
    null
);

create or replace macro as_exact_instant(utc) as strftime(utc, '%Y-%m-%dT%H:%M:%S.%fZ');

-- Seconds of an ISO 8601 duration; null where it is none, or has years or months, which are no number of seconds.
create or replace macro iso_seconds(cell) as if(
    regexp_full_match(cell, 'P(\d+(\.\d+)?W)?(\d+(\.\d+)?D)?(T(\d+(\.\d+)?H)?(\d+(\.\d+)?M)?(\d+(\.\d+)?S)?)?'),
    604800 * coalesce(try_cast(regexp_extract(cell, '([\d.]+)W', 1) as double), 0)
    + 86400 * coalesce(try_cast(regexp_extract(cell, '([\d.]+)D', 1) as double), 0)
    + 3600 * coalesce(try_cast(regexp_extract(cell, '([\d.]+)H', 1) as double), 0)
    + 60 * coalesce(try_cast(regexp_extract(cell, '([\d.]+)M', 1) as double), 0)
    + coalesce(try_cast(regexp_extract(cell, '([\d.]+)S', 1) as double), 0),
    null
);

-- An account's name as a part of an id: no id shows an address.
create or replace macro id_without_address(name) as if(name like '%_@_%', id_of_email(name), name);

-- Of a name in several languages the one that is wanted, else English, else the first; null where there is none.
create or replace macro name_in(names, language) as json_extract_string(
    names,
    '$."' || coalesce(
        list_filter(json_keys(names), lambda one: lower(one) = language)[1],
        list_filter(json_keys(names), lambda one: starts_with(lower(one), language || '-'))[1],
        list_filter(json_keys(names), lambda one: starts_with(lower(one), 'en'))[1],
        json_keys(names)[1]
    ) || '"'
);
