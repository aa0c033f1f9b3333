-- One row per group.
select
    _id as group_id,
    name,
    parentId as parent_group_id
from api.groups
