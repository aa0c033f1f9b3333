-- One row per group and member. Who has several roles in a group is listed under the first in the alphabet.
select
    group_id,
    userId as user_id,
    min(role) as role
from api.group_members
group by group_id, userId
