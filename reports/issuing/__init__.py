"""How any document is numbered, frozen, replaced, proven, verified and removed."""
