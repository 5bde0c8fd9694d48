"""Off-chip memory: protocol, models, and what of a design crosses the border; see README.md."""
