"""A whole stack at work while everything that can happen to it happens, at random, for minutes."""
