"""How a file reaches people by e-mail: a copy that is kept for a while, a signed link to it, a message."""
