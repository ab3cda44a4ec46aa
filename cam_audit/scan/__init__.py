"""A data set through a net: one image's way, the audit of all of them, and the whole run."""

from cam_audit.scan.image import ScanSettings, scan

__all__ = ["ScanSettings", "scan"]
