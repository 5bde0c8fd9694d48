"""Networks on chip, flit by flit."""
