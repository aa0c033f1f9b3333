"""Statements of xAPI and cmi5: from a learning record store (LRS), and from files of statements."""
