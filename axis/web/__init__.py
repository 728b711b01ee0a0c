"""HTTP: for agencies under /v1, for neighbours at /v1/relay, for operators on a listener of their own."""
