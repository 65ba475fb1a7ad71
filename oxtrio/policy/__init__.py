"""DECIDE: pure functions of (spec, facts, now). Time and chance are arguments."""
