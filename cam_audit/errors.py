"""Errors for people: one line saying what is wrong, with which file, and what mends it."""


class CamAuditError(Exception):
    """What the user can mend; the command line prints the message and exits with 2."""


class OptionError(CamAuditError):
    """A command that lacks options; `options` are what to add to it."""

    def __init__(self, message: str, *options: str) -> None:
        super().__init__(message)
        self.options = options


class ImageError(CamAuditError):
    """An image that cannot be read; a scan goes on and records the message as the reason."""


class ModelError(CamAuditError):
    """A model file that is missing, broken or not CAM-ready."""


class CannotWriteError(ModelError):
    """A net that is made when it is first used can't be written to its folder."""


class NotOnnxError(ModelError):
    """A net in another format; `message` says which, and `code` are the lines that export it, to be copied."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(f"{message}\n\n{code}")
        self.message = message
        self.code = code


class CutOffError(CamAuditError):
    """A scan was cut off after it had finished images, which are kept: it can be gone on with."""
