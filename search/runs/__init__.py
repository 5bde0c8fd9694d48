"""Run files that ship with the product."""
