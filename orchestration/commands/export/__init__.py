"""`opco export`: the export as a file."""
