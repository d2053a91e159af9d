"""Speed and memory, each as a ratio to the limit of the machine or to a peer, measured in one run.

``python -m benchmarks`` runs all; ``python -m benchmarks build select`` some. Nothing here is a test: timings are
printed, never asserted.
"""
