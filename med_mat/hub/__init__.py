"""A built Med-MAT on the Hugging Face Hub: push it, with or without pixels, and put pixels back.

- ``publication``: what is passed on, and whether the sources' terms allow it; the files to send
- ``upload``: sending them, interrupted at any time
- ``pixels``: leaving pixels out, and putting them back from the raw files
- ``errors``: what the Hub refuses, in sentences
"""
