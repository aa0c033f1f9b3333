"""Where the project's own files are, and which edition of the rules they compute."""

from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent.parent

RULES_EDITION = 2
"""The edition of the rules and of the raw contract that the models compute.

It goes up with a release that may make other figures of the same deliveries. The next build is then a full one and says
so, and an attestation whose figures changed names the rules as a cause.
"""
