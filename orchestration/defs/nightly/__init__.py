"""The nightly run, from the raw folder to the documents; arrivals of deliveries; the partitions of the sessions."""
