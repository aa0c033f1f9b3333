"""Dagster's definitions, one folder a domain; each module's `defs` is called when they are asked for."""
