"""Several arrays on one chip, in each other's way at one off-chip memory; see README.md."""
