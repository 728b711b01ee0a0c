"""Is a certificate revoked? Lists (RFC 5280 §5, §6.3) and answers of responders (RFC 6960), judged as pure functions.

Nothing here fetches. `crl` and `ocsp` read and check one document, `judge` says what all of them together mean for one
certificate, `request` says what would have to be fetched.
"""
