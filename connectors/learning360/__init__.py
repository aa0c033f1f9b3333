"""360Learning's own export of connections (OPCA logs), and the same file as `opco export` writes it."""
