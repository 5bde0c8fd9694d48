"""Energy and area tables: one file per kind of component, data under ``tables/``."""
