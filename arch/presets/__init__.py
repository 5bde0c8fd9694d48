"""Architectures that ship with the product, each with its sources."""
