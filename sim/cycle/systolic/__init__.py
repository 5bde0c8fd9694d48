"""Store-and-forward arrays, cycle by cycle; see README.md."""
