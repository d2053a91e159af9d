"""A web page on a built Med-MAT: the MAT grid, the records, a split builder with its audit, duplicates side by side.

- ``views``: what each part of the page shows, as plain values; no web library
- ``page``: the page, in Gradio; ``door``: what of Gradio it gives and takes
- ``guard``: turns away everything else, whatever the page is made with
- ``serve``: the page on this machine; ``app.py``: the same as a Hugging Face Space
"""
