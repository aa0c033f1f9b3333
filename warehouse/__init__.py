"""What comes in and what is published: deliveries to the archive, the archive to dbt, marts to the published file."""
