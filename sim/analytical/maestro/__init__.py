"""The setting ``maestro``: that tool's rules on mappings given as its directives."""
