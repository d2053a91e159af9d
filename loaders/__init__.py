"""One module per source, of the same name as its card. Each has ``examples(raw)`` and ``miniature(raw)``."""
