"""A built Med-MAT on the Hugging Face Hub: push it, with or without images, and attach images again.

- ``publication``: decides what is published of each source, within its terms
- ``staging``: prepares the files to upload, without the images and file names that are not published
- ``held``: finds data in a repository that is not published any more
- ``upload``: uploads the files; can be interrupted at any time
- ``pixels``: attaches images and file names again, from the raw files
"""
