"""The judge of time stamps (dấu thời gian, RFC 3161): is this token right, and does its authority prove a time?

`judge_token` judges a token, `read_response` opens what an authority answered. Pure, like the rest of `signing`.
Whom to believe is decided by `signing.chain`, with a trust of its own for time-stamping authorities; a token's own
certificates are hints. Importing this package does not import asn1crypto: the first call does.
"""

from signing.timestamp.judge import judge_token
from signing.timestamp.response import Response, Status, read_response
from signing.timestamp.verdict import Query, TimestampVerdict

__all__ = ["Query", "Response", "Status", "TimestampVerdict", "judge_token", "read_response"]
