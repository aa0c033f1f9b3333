"""What an attestation says (section A of the rules): record, queries, layout, wording, template."""
