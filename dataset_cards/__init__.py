"""One card per source: the facts as YAML front matter, then prose. Read by :mod:`med_mat.catalog`."""
