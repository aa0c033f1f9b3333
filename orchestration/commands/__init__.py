"""What commands do that is more than a run of a job: a module each, with what it says at its end."""
