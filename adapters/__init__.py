"""The hands of the axis: how a delivery reaches somebody, and how something is fetched from somebody.

An adapter is a `Sink`, a `Source` or both (`axis.core.ports`). It raises `Refused` or `Unavailable`, never an exception
of its library, and is safe to repeat with the same delivery id.
"""
