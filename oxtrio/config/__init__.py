"""READ: text becomes specs, or every problem with its line."""
