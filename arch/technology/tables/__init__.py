"""Energy and area tables as data files, each with its source."""
