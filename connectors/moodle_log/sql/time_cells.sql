-- One row per line: its time as it is written.
select
    file,
    time_cell as cell
from lines
