"""The output folder before a scan writes into it: emptied of the earlier results, or kept to go on with them."""

from __future__ import annotations

from pathlib import Path

from cam_audit.errors import CamAuditError
from cam_audit.folders import AnyFolder
from cam_audit.reports.output_folder import is_finished, prepare_output, require_same
from cam_audit.scan.journal import is_unfinished, remove_journal


def prepare(out: AnyFolder, dataset: Path, sha256: str, resume: bool | None) -> None:
    """Make the output folder ready; what was cut off there stays if the scan goes on with it.

    `sha256`: of the net. `resume`: True goes on with a scan that was cut off, False starts anew, None decides nothing.

    Raises CamAuditError if the user has to decide, the folder holds the scan of another data set or net, or it can't
    be written.
    """
    cut_off = is_unfinished(out)
    if cut_off and resume is None:
        raise CamAuditError(
            f"{out}: holds a scan that was cut off; go on with it by --resume, or start anew with --fresh"
        )
    if not cut_off and resume and is_finished(out):
        raise CamAuditError(f"{out}: the scan in this folder is finished; leave out --resume to scan anew")
    if resume is None:
        require_same(out, dataset, sha256)
    going_on = cut_off and bool(resume)
    if not going_on:
        remove_journal(out)
    prepare_output(out, keep=going_on)
