"""Other tools' ways of writing a mapping."""
