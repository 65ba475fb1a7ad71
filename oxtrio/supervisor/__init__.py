"""GROW: many apps, each in its own nursery."""
