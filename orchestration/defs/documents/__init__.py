"""From the published file to the documents beside the attestations: certificates, attendance, logs to sign (D5)."""
