"""`python -m axis` is the command `axis`."""

from axis.cli import main

main(prog_name="axis")
