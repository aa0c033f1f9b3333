"""The command `opco`."""
