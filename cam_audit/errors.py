"""Errors for people: one line saying what is wrong, with which file, and what mends it."""


class CamAuditError(Exception):
    """What the user can mend; the command line prints the message and exits with 2."""


class ImageError(CamAuditError):
    """An image that cannot be read; a scan goes on and records the message as the reason."""


class ModelError(CamAuditError):
    """A model file that is missing, broken or not CAM-ready."""


class CannotWriteError(ModelError):
    """A net that is made when it is first used can't be written to its folder."""


class CutOffError(CamAuditError):
    """A scan was cut off after it had finished images, which are kept: it can be gone on with."""
