"""What people reach with a browser: the links to files that were sent to them (`opco serve`)."""
