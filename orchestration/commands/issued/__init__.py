"""`opco issues`, `opco verify`: what was issued, and whether it is whole."""
