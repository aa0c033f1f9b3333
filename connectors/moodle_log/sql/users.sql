-- One row per participant, under an id of the e-mail address: the list has no other, and the log none of who did nothing yet.
select
    id_of_email(email) as user_id,
    email,
    arg_max(first_name, file) as first_name,
    arg_max(last_name, file) as last_name
from participants
group by email
