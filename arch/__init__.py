"""Descriptions: problems, architectures, mappings, technologies, and how they are read."""
