"""`python -m cam_audit` is `cam-audit`."""

from cam_audit.cli import main

main()
