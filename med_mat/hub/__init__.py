"""A built Med-MAT on the Hugging Face Hub: push it, with or without pixels, and put pixels back.

- ``publication``: what is passed on, as the sources' terms allow
- ``staging``: the files to send, without the pixels and names that stay at home
- ``held``: what a repository holds beyond that
- ``upload``: sending them, interrupted at any time
- ``pixels``: putting pixels and names back from the raw files
- ``errors``: what the Hub refuses, in sentences
"""
