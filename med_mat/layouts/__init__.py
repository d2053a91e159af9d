"""Recognizes which source a folder or an archive contains, by the layouts of the cards."""
