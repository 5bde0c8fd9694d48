"""Optimisers behind ask and tell, one file each."""
