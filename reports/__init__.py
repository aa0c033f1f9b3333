"""What leaves the warehouse: export files and attestations. Plain Python, no Dagster; reads marts only."""
