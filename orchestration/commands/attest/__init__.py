"""`opco attest`: the attestations of one session."""
