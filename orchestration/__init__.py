"""Dagster assets, settings and the `opco` command over the plain Python of `warehouse` and `reports`."""
