"""Moodle's own download of its log, as any teacher can make it, with the download of a course's participants."""
