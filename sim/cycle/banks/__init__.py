"""Banks of an SRAM: where words lie, and what asking for them together costs; see README.md."""
