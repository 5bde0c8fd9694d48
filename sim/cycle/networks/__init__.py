"""Transfers over routed networks, simulated once per pattern; see README.md."""
