"""Integers carried through the memories, and the operator to compare with; see README.md."""
