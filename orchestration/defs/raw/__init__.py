"""From a raw folder into the archive."""
