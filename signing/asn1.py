"""asn1crypto with all of its classes ready: the only file of ours that imports it.

A class of it sets itself up when it is first used, on itself and unlocked. Two threads that were the first at once left
it broken for the rest of the process: signatures were "not a CMS SignedData", authorities had lost their extensions. So
all are set up here, in 5 ms: whoever else imports this meanwhile waits until it is done. Import it where it is needed:
asn1crypto takes 70 ms, and most processes never read ASN.1.

Its values read themselves when they are first asked, unlocked as well: none is given to another thread, and none is
kept but behind a lock (`signing.pathcheck`).
"""

from __future__ import annotations

from typing import Any, Final

# `pdf` and `tsp` teach it the names of their attributes and contents, before anything is set up.
from asn1crypto import algos, cms, core, keys, ocsp, parser, pdf, tsp, x509  # noqa: F401

__all__ = ["TIME_STAMP_RESPONSE", "algos", "cms", "core", "keys", "ocsp", "parser", "tsp", "x509"]

TIME_STAMP_RESPONSE: Final[Any] = type(
    "TimeStampResp",
    (core.Sequence,),
    {"_fields": [("status", tsp.PKIStatusInfo), ("time_stamp_token", cms.ContentInfo, {"optional": True})]},
)
"""TimeStampResp as RFC 3161 has it; in asn1crypto's own the token is not optional."""


def _set_up(above: Any) -> None:
    for one in above.__subclasses__():
        if getattr(one, "_alternatives", ()) is not None:  # `Choice` itself, which nothing is an instance of
            one()
        _set_up(one)


_set_up(core.Asn1Value)
