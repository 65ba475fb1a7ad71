"""The keys of oxfiles, one module per part."""
