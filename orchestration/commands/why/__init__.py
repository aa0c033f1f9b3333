"""`opco why`: what became of raw rows."""
