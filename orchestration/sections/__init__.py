"""The settings by the tables of `opco.toml`: what each is, what it may be, and its default."""
