"""The engines of this package, one module each, which defines ``ENGINE``: see :mod:`med_mat.experiment.engine`."""
