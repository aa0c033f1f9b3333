"""`opco serve`, `opco dagster`, `opco health`: what runs until it is told to end."""
