"""Who people are: their address, proven by a link or by a provider, and their stay on the portal."""
