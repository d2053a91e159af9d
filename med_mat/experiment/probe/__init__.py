"""The probe: frozen features of images, and a small convex model from them to the options of a question."""
