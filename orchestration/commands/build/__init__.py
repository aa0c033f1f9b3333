"""`opco build`, `opco rebuild`: from a raw folder, or the archive alone, to the published warehouse."""
