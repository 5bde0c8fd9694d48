"""Runs in small: a few turns of every loop, transfer by transfer."""
