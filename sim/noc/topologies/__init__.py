"""Topologies, one file each; see ``sim/noc/topology.py``."""
