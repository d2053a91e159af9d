"""From a file to the pixels of a record: decoders, windowing, containers, hashes, masks and boxes."""
