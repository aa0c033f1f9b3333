"""`opco nightly`: what a night does, at once."""
