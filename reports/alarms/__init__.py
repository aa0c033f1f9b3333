"""What is amiss, judged over the published file; what was told of it; the message that tells it."""
