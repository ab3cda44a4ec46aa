"""A data set through a net: one image's way, the audit of all of them, and the whole run."""

from cam_audit.scan.chunk import scan
from cam_audit.scan.image import ScanSettings

__all__ = ["ScanSettings", "scan"]
