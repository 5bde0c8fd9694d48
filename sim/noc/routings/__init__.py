"""Routings, one file each; see ``sim/noc/routing.py``."""
