"""`opco alarms`: what is amiss."""
