"""From an LMS to a raw folder: plain Python, one folder a kind of source, without Dagster."""
