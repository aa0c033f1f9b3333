-- One row per employer, as the learners have it today (an empty one for those without): learners active and their hours.
select
    employer,
    {{ metric('active_learner_count') }} as active_learner_count,
    {{ metric('connection_count') }} as connection_count,
    {{ metric('connected_hours') }} as connected_hours,
    {{ metric('retained_hours') }} as retained_hours
from fct_opco_connections
group by all
