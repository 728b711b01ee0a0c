"""How each measure is taken, by the beginning of its name. docs/benchmarks.md shows these below its table."""

from __future__ import annotations

METHODS: dict[str, str] = {
    "verdict": "The judge in this process: octets in, the whole verdict out, the certificate's path in the cache.",
    "a certificate": "The path of a certificate that is not in the cache, its revocation list parsed before.",
    "the same under": "The same with another list of the same authority that names 100,000 others.",
    "the costliest hostile package": (
        "Packages that are as large as the limits let them be in one respect (texts, attributes, elements, "
        "references, recipients), changed after they were signed: gate, parser, reader and judge, up to the "
        "refusal. The costliest of them, processor time. Contents of attachments are decoded and hashed beside "
        "that, as they must be."
    ),
    "accept, 10 KB, SQLite": (
        "A node as a process of its own (`axis serve`): TLS, an API key, packages of 10 KB signed by parts "
        "(ECDSA P-256), each a new document for one mailbox, from 64 keep-alive connections of another "
        "process. Each is judged, decided, stored with its delivery and log entries, and answered with a "
        "signed receipt after the commit. Floor: aiohttp with TLS, the same verifier, SHA-256, one row by "
        "INSERT on the loop and COMMIT in a thread for all who wait; nobody is asked who he is, nothing is "
        "routed, looked for, logged or signed. The ratio is of processor time a document in the serving "
        "process, because the load takes a part of the other core, up to when nothing is left to do for these "
        "documents (the log's rounds); rates, p50 and p99 stand in `results.json` under `more`."
    ),
    "accept, 10 KB, PostgreSQL": (
        "The same with the store on PostgreSQL, its files on the same disk. Floor: the same server, the group "
        "as one INSERT of arrays. Processor time of the serving process; that of the database is in `more`."
    ),
    "accept, 10 KB, PostgreSQL beside our SQLite": (
        "Documents a second of two of our own nodes in turn, all processes counted."
    ),
    "accept, 1 MB inline": (
        "An attachment of 1 MB as base64 inside the package, 8 callers. Floor: the same octets streamed to a "
        "file with SHA-256 in threads, fdatasync, rename, fsync of the folder, then the row; not decoded, not "
        "parsed, not verified."
    ),
    "accept, 10 KB, beside pyas2lib": (
        "Processor time of one document in our node (HTTP, TLS, stored) beside one AS2 message in pyas2lib: "
        "signature verified, signed MDN made, nothing stored, no network. Only where AXIS_BENCH_AS2 names an "
        "interpreter that has it: it is under the GPL and pins old packages, so it is no dependency of ours."
    ),
    "accept, 1 MB, beside pyas2lib": "The same with 1 MB of content.",
    "accept, 10 KB, beside RabbitMQ": (
        "Documents a second taken in by our node, as above, beside messages of the same size that RabbitMQ keeps and "
        "confirms: persistent, durable queue, no TLS, nothing verified; 64 publishers in one Python process (aio-pika) "
        "that each wait for a confirmation. Only where Debian's rabbitmq-server is installed. Processor time a document"
        " of both servers stands in `results.json` under `more`."
    ),
    "flushes": (
        "strace counts fsync and fdatasync of the whole node, those of the log's rounds too, while 64 callers send."
    ),
    "store": (
        "The store in this process, without HTTP and judge: what an intake asks and adds, from 64 callers, on "
        "PostgreSQL beside SQLite, documents a second."
    ),
    "status, one": (
        "One status a request over HTTP and TLS, 64 callers. Floor: JSON in, one row by group commit, JSON out."
    ),
    "statuses, 100": "`POST /v1/statuses` with 100 items beside one status a request: processor time a status.",
    "pull, body": ("`GET /v1/deliveries/ID/package` of 10 KB. Floor: aiohttp with TLS, one SELECT by key, the octets."),
    "pull, list": "`GET /v1/inbox?limit=50`. Floor: aiohttp with TLS, one SELECT of 50 rows, orjson.",
    "push": (
        "Documents of 10 KB that wait for an endpoint under hold; from its release until the receiver has all "
        "of them, processor time of the node a document: claim, POST over keep-alive TLS (16 at once), "
        "settle, log. Floor: aiohttp's client that POSTs as many octets to the same receiver."
    ),
    "recovery": (
        "SIGKILL while 100,000 deliveries are queued (copies of one accepted document), start, and the time "
        "until the receiver gets the first one. Starting Python is in it."
    ),
    "memory": (
        "Resident memory of the node above idle, greatest of samples each 5 ms, while it takes 100 MB in base64, "
        "200 MB in parts, and sixteen documents of 20 MB in parts at once: the first large ones that a node sees."
    ),
    "mix of sizes, rate": (
        "X-Road's published mix: 30 % of 2 KB (our smallest package is 4 KB), 60 % of 10 KB, 9 % of 100 KB, "
        "0.9 % of 2 MB, 0.1 % of 10 MB, from 64 callers as fast as they are answered; a run has 4,000 documents."
    ),
    "mix of sizes, ten minutes": (
        "The same mix for ten minutes without a pause, one run: all that was answered over all that time; least and "
        "greatest are of 2,000 documents in it. What makes and signs the next ones, and what sends, have the two cores "
        "as well. Lost is what was answered and is not stored. Rate and p99 of each half, the node's memory (that of "
        "no file) and the greatest length of SQLite's journal are in `results.json` under `more`."
    ),
    "mix of sizes at half": (
        "The same mix at half of that rate, one request each so often; a request's time begins when it was "
        "due. p99 over p50 within each size, the worst of those that came at least a hundred times; all runs "
        "together, and the spread of each by itself. Beside the floor: the same requests at the same rate to the "
        "floors of 10 KB (up to 128 KB) and of 1 MB (above) in one server, on the same disk: what the least that must "
        "be done has for a p99 there."
    ),
    "four hops": (
        "Four nodes in a row (commune, district, province, centre), each a process that judges; 50 documents "
        "a second from below, then a status for each from above. From when one was due to be sent until the "
        "last node has stored it."
    ),
    "backlog": (
        "One claim, one intake, one item of a list of 50 in a store with 1,000,000 waiting deliveries beside "
        "one with 10,000, of 500 destinations; medians of 30."
    ),
    "registry": "One route and one question whether a code lies in a subtree, with 111,339 agencies beside 100.",
    "two processes": (
        "Two processes of one node on one PostgreSQL, 32 callers each, beside one of them with 64: documents "
        "a second, and p99 over p99. Lost is what was answered and is not stored. Load, nodes and database "
        "share the cores."
    ),
    "two nodes": "The same with two nodes that each have a store of their own on SQLite.",
}
"""The longest beginning that fits is meant."""


def listed() -> str:
    return "".join(f"- **{name}**: {text}\n" for name, text in METHODS.items())
