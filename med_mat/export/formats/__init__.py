"""The export formats of this package: every module here is imported, and registers its own."""
