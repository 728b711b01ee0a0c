"""The words on the wire: edXML packages and status messages (QCVN 102:2016/BTTTT), read and written.

Pure: no clock, no network, no files besides the packaged XSD. Imports the standard library, lxml and pybase64 only.
"""
