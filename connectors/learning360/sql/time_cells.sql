-- One row per time of a line, as it is written.
select
    file,
    connected as cell
from lines
union all
select
    file,
    disconnected as cell
from lines
