"""A read-only web page on a built Med-MAT: records, statistics, a split builder with its audit, duplicates.

Each view is described by its address alone, so that a link reproduces it. Records are addressed by their id; no
request names a file, nothing can be uploaded, and nothing is fetched from another host.

- ``state``: what an address says of the records in view
- ``records``: the records that a state selects: counts, order, statistics, CSV
- ``record``: one record: its facts, its image as stored, its boxes and masks
- ``thumbnails``: small images, rendered a page at a time
- ``builder``: the split builder; ``duplicates``: linked records side by side
- ``app``: the routes (Starlette) and templates (Jinja2); ``guard``: who is answered at all
- ``serve``: the page on this machine; ``space``: the same page as a Hugging Face Space
"""
