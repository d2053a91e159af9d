"""A built Med-MAT on the Hugging Face Hub: push it, with or without images, and attach images again.

- ``publication``: what is published of each source, as its terms allow
- ``staging``: the files to send, without the images and file names that are not published
- ``held``: what a repository holds beyond these
- ``upload``: sends them; can be interrupted at any time
- ``pixels``: attaches images and file names again, from the raw files
"""
