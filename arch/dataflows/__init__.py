"""Named dataflows: constraints on mappings, one file each."""
