"""360Learning: its API, its own export of connections (OPCA logs), and the same file as `opco export` writes it."""
