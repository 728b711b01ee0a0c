"""What the axis costs, beside the least that must be done and beside others. Method and history: docs/benchmarks.md."""
