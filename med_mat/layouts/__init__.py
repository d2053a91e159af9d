"""Recognizes which source a folder or an archive holds, by the layouts of the cards."""
