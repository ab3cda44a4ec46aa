"""Whoever wants to hear of a scan while it runs: a progress bar, a log, a notebook."""

from __future__ import annotations

from cam_audit.records import Record


class Observer:
    """Hears what a scan does, in the thread that called it; here, it does nothing. Override what is of interest.

    Example:
        >>> import cam_audit
        >>> class Stages(cam_audit.Observer):
        ...     def on_stage(self, name, images):
        ...         print(name, images)
        >>> report = cam_audit.audit("photos", "demo-biased", observer=Stages())
        scan 72
    """

    def on_note(self, message: str) -> None:
        """Something worth saying that does not stop the scan, such as folders that are named like no class."""

    def on_stage(self, name: str, images: int) -> None:
        """A stage begins that goes through so many images: "scan", "second look", "overlays"; or "report", with 0."""

    def on_record(self, record: Record) -> None:
        """The stage "scan" is done with an image; records come in the order of the images' paths."""

    def on_image(self) -> None:
        """Another stage is done with an image."""
