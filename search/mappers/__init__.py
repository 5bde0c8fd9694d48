"""Mappers: ways to find the mapping of one layer on one architecture, one file each."""
