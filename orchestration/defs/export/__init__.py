"""From the published file to an OPCO export file."""
