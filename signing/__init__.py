"""The judge: is this signature good, what does it cover, whose is it, at which time.

Pure: no clock, no network, no files; time and evidence come in as arguments. Knows nothing of edXML. One way in:
`signing.verify.verify`; one way out: `signing.verdict.Verdict`.
"""
