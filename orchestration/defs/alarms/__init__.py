"""Told by e-mail: what failed while nobody looked, and what the published file says is amiss."""
