"""The chip of a spatial design in time: what computes, fills and drains when; see README.md."""
