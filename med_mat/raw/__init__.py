"""Reading raw data: what several loaders share."""
