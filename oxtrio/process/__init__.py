"""RUN: one process, from spawn to the last byte of its output."""
