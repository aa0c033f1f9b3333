"""Alerts: the problems of the home, and who is alerted."""
