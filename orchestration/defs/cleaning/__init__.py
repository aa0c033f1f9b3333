"""What the home loses by itself, once a week."""
