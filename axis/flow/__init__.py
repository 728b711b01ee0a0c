"""The shell around the decisions: read the facts, decide, apply in one transaction, answer."""
