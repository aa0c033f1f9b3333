-- One row per learner.
select
    user_id,
    last_name,
    email
from known_users
order by user_id
