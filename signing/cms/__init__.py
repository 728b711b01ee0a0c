"""CMS SignedData (RFC 5652), as PDF signatures and time-stamp tokens carry it: one reader for both.

What differs between them is a `Form`. Importing this package does not import asn1crypto: the first reading does.
"""

from signing.cms.form import DATA, TST_INFO, Form
from signing.cms.read import Signed, read_signed
from signing.cms.signer import Naming

__all__ = ["DATA", "TST_INFO", "Form", "Naming", "Signed", "read_signed"]
