"""`axis demo`: the whole four-level network on one machine, ended by a table one can believe."""
