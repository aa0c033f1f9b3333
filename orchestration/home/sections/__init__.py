"""The sections of opco.toml: what there is to set, with its defaults and checks."""
