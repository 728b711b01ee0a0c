"""The tables of the simulated national axis. Times are RFC 3339 in UTC; codes are the text on the wire."""

from __future__ import annotations

from typing import Final

VERSION: Final = 1

NAMES: Final = ("systems", "agencies", "packages", "documents", "statuses", "entries", "used")

TABLES: Final = """
CREATE TABLE systems (
    id TEXT PRIMARY KEY,
    secret TEXT NOT NULL
) STRICT;
CREATE TABLE agencies (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    pcode TEXT NOT NULL,
    mail TEXT NOT NULL,
    mobile TEXT NOT NULL,
    fax TEXT NOT NULL,
    system TEXT NOT NULL REFERENCES systems(id),
    locked INTEGER NOT NULL,
    deleted INTEGER NOT NULL
) STRICT;
CREATE TABLE packages (
    sha256 TEXT PRIMARY KEY,
    octets BLOB NOT NULL
) STRICT;
-- What a system handed in; `sha256` is the original, `given` what receivers get (another one after a rewrite).
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    doc_id TEXT NOT NULL UNIQUE,
    system TEXT NOT NULL,
    sender TEXT NOT NULL,
    document_id TEXT NOT NULL,
    number TEXT NOT NULL,
    issued_on TEXT,
    title TEXT NOT NULL,
    kind INTEGER NOT NULL,
    sha256 TEXT NOT NULL REFERENCES packages(sha256),
    given TEXT NOT NULL REFERENCES packages(sha256),
    sent_at TEXT NOT NULL,
    UNIQUE (sender, document_id, sha256)
) STRICT;
-- Every status message, matched (`document`) or not yet: an orphan.
CREATE TABLE statuses (
    id INTEGER PRIMARY KEY,
    doc_id TEXT NOT NULL UNIQUE,
    system TEXT NOT NULL,
    reporter TEXT NOT NULL,
    addressee TEXT NOT NULL,
    document_id TEXT NOT NULL,
    number TEXT NOT NULL,
    issued_on TEXT,
    code TEXT NOT NULL,
    at TEXT,
    document INTEGER REFERENCES documents(id),
    sha256 TEXT NOT NULL REFERENCES packages(sha256),
    received_at TEXT NOT NULL,
    UNIQUE (reporter, sha256)
) STRICT;
CREATE INDEX orphans ON statuses(id) WHERE document IS NULL;
-- One per package and receiver. `system` is the inbox; NULL: recorded only, the receiver is of the sender's system.
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY,
    doc_id TEXT NOT NULL UNIQUE,
    message TEXT NOT NULL,
    system TEXT,
    sender TEXT NOT NULL,
    receiver TEXT NOT NULL,
    document INTEGER REFERENCES documents(id),
    status INTEGER REFERENCES statuses(id),
    sha256 TEXT NOT NULL REFERENCES packages(sha256),
    state TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX inbox ON entries(system, message, state);
CREATE INDEX of_document ON entries(document, receiver);
CREATE INDEX of_status ON entries(status);
CREATE INDEX by_document_id ON documents(sender, document_id);
CREATE INDEX by_number ON documents(sender, number, issued_on);
-- Signed requests that changed something, while their timestamp is still accepted.
CREATE TABLE used (
    signature TEXT NOT NULL,
    body TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (signature, body)
) STRICT;
CREATE INDEX used_until ON used(expires_at);
"""
