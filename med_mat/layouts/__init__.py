"""What lies in a folder or an archive, and which source's published layout that is."""
