"""What the loops of a mapping bring where, turn by turn; see README.md."""
