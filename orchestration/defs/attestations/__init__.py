"""From the published file to the attestations of a session."""
