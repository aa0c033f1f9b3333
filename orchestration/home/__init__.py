"""The folder a run works in: its paths and stamp, settings, lock, clock and disk space."""
