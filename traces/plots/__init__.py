"""Figures from Reports and plain values; no files, no page."""
