"""One module per source, named like its card, with ``examples(raw)`` and ``miniature(raw)``."""
