"""The setting ``scalesim-3.0.0``: that tool's rules, defects included; see README.md."""
