"""The documents beside the attestation (D5): certificat de réalisation, attestation d'assiduité, log to be signed."""
