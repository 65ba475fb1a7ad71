"""WATCH: clients of the tree. They observe and ask, they never act."""
