select cast(i.itemid as varchar) as user_id, t.rawname as label
from moodle.tag_instance as i
inner join moodle.tag as t on i.tagid = t.id
inner join people as p on i.itemid = p.id
where i.itemtype = 'user'
union
select cast(m.userid as varchar), in_display_language(h.name)
from moodle.cohort_members as m
inner join moodle.cohort as h on m.cohortid = h.id
inner join people as p on m.userid = p.id
where getvariable('cohort_labels')
order by 1, 2
