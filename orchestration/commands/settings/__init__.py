"""`opco settings`: the settings in force."""
