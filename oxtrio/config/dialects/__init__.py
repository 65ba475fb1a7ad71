"""One module for each way of writing an oxfile; all end in the same specs."""
