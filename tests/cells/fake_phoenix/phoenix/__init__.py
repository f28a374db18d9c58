"""A Phoenix to go wrong on demand, imported in a moment; for faults only."""
