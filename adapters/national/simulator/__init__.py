"""A simulated national axis: a program of its own, with its own store. `axis national serve` runs it."""
