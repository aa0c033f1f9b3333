"""From the archive through dbt to the published file."""
