-- One row per learner, by the e-mail address in any case, as last told.
select
    user_id,
    arg_max(email, recency) as email,
    arg_max(first_name, recency) as first_name,
    arg_max(last_name, recency) as last_name,
    arg_max(additional_information, recency) as additional_information
from taken_stays
group by user_id
