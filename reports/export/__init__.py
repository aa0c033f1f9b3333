"""The OPCO export: one line per connection, for the funder's controller and the training manager."""
