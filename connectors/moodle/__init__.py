"""Moodle on PostgreSQL, MariaDB or MySQL: its tables landed in one snapshot, mapped by SQL to the raw contract."""
