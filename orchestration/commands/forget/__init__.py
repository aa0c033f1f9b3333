"""`opco forget`: a learner's personal data leaves the home."""
