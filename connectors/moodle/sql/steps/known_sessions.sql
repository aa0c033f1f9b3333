-- In the place of memberships and sessions, where nothing that they rest on has changed since the last pull.
create table candidates as
from previous.candidates;

create table changed_users (user_id bigint);
