"""From raw files to stored images: decoders, windowing, containers, hashes, masks and boxes."""
