"""WHERE: which project this is, and the folders, lock and launch that belong to it. No Trio."""
