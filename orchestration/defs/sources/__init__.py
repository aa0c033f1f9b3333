"""The sources of the home: LMS and files, pulled into one delivery."""
