"""A job run here or in the background, and what Dagster records of it."""
