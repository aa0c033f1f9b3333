"""`opco clean`: what the home may lose without losing anything."""
