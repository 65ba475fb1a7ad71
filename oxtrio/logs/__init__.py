"""KEEP: bytes of an app become files that can be searched, rotated and followed."""
