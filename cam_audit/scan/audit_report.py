"""What an audit came to, for programs and notebooks: it shows itself, becomes data frames, and can be saved."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cam_audit.errors import CamAuditError
from cam_audit.folders import AnyFolder
from cam_audit.records import ClassMaps, Counterfactual, ImageSource, PartMaps
from cam_audit.reports import results_csv
from cam_audit.reports.output_folder import held, prepare_output, require_ours, require_same
from cam_audit.reports.scan_report import ImageRow, ScanReport
from cam_audit.scan.chunk import threads
from cam_audit.scan.dataset import require_there
from cam_audit.scan.image import ScanJob
from cam_audit.scan.journal import locked
from cam_audit.scan.observer import Observer
from cam_audit.scan.options import ALL, NONE, Options
from cam_audit.scan.write_output import draw_overlays, write_findings, write_report, write_results, write_run
from cam_audit.workers import available_cores

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from cam_audit.reports.baseline import Judgement


# The columns of the findings' evidence that a data frame has whatever was found.
EVIDENCE = (
    *("images", "hits", "score", "threshold", "use", "targets", "turned", "control_turned"),
    *("flips", "flips_low", "flips_high", "gain", "gain_low", "gain_high"),
)


class Frames(NamedTuple):
    """Data frames of an audit: a row a finding, worst first, and a row an image, in the order of the paths."""

    findings: pd.DataFrame
    images: pd.DataFrame


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class AuditReport(ScanReport):
    """What an audit came to: all that a format renders, and what `save` needs to draw pictures.

    `findings`: worst first; `images`: a row an image; `notes`: what the audit could not do. `judgement`: the findings
    held against the baseline, if there was one. `class_maps`: by a finding's fingerprint, where the net looks for the
    class; `edited_images`: the counterfactuals; `part_maps`: by a part's sheet, where it lies in all
    images that were looked at.

    Example:
        >>> import cam_audit
        >>> report = cam_audit.audit("photos", "demo-biased")
        >>> report.findings[0].label, report.findings[0].severity
        ('cat', 'error')
    """

    class_maps: Mapping[str, ClassMaps]
    edited_images: Mapping[str, Sequence[Counterfactual]]
    part_maps: Mapping[str, PartMaps]
    judgement: Judgement | None
    options: Options
    job: ScanJob
    sources: Sequence[ImageSource]

    def __repr__(self) -> str:
        return f"AuditReport({len(self.images)} images, {len(self.findings)} findings)"

    def to_pandas(self) -> Frames:
        """The findings and the images as data frames; raises CamAuditError where pandas is not installed.

        The images have the columns of results.csv. Of the findings' evidence, each number is a column; those of
        EVIDENCE are always there.

        Example:
            >>> import cam_audit
            >>> frames = cam_audit.audit("photos", "demo-biased").to_pandas()
            >>> frames.findings[["severity", "class"]].values.tolist()
            [['error', 'cat']]
            >>> len(frames.images)
            72
        """
        try:
            import pandas as pd
        except ImportError:
            raise CamAuditError("pandas is not installed; install it with: pip install pandas") from None
        findings = [
            {
                "code": finding.code,
                "severity": finding.severity,
                "class": finding.label,
                "message": finding.message,
                **finding.evidence,
                "examples": [example.path for example in finding.examples],
                "fingerprint": finding.fingerprint,
            }
            for finding in self.findings
        ]
        columns = dict.fromkeys(("code", "severity", "class", "message", *EVIDENCE))
        columns |= dict.fromkeys(name for finding in findings for name in finding)
        columns |= dict.fromkeys(("examples", "fingerprint"))
        return Frames(
            pd.DataFrame(findings, columns=list(columns)),
            pd.DataFrame(map(results_csv.values, self.images), columns=results_csv.COLUMNS),
        )

    def save(self, folder: str | Path) -> None:
        """Write what a scan writes into a folder, as `out` of `audit` does; overlays are drawn from the images anew.

        Nothing is done if the report is there already. Raises CamAuditError if it can't be written, another scan is
        writing there, the folder is the data set itself, or the data set has gone.

        Example:
            >>> import cam_audit
            >>> cam_audit.audit("photos", "demo-biased").save("audit-out")
        """
        out, dataset = Path(folder), self.options.dataset
        if self.folder and out.resolve() == Path(self.folder).resolve():
            return
        if out.resolve() == dataset.resolve():
            raise CamAuditError(f"{out}: the output folder is the data set itself; name another")
        require_there(dataset)
        require_ours(out)
        with locked(out, Observer().on_note), held(out) as place:
            require_same(place, dataset, self.job.model.sha256)
            prepare_output(place)
            rows: list[ImageRow] = list(self.images)
            if self.options.overlays != NONE:
                rows = self._drawn_into(place, rows, all_of_them=self.options.overlays == ALL)
            # images that can't be read again have no overlay; if the whole data set has gone, say so
            require_there(dataset)
            write_results(place, map(results_csv.line, rows))
            self._write_findings(place)
            run = {**self.run, "settings": {**self.run["settings"], "out": str(out)}}
            saved = replace(self, run=run, images=tuple(rows), folder=str(out))
            unreported = write_report(saved, place)
            write_run(place, run)
        if unreported:
            raise unreported

    def _repr_html_(self) -> str:
        """Verdict, findings and their pictures, for a notebook."""
        from cam_audit.reports.html import notebook
        from cam_audit.reports.pictures import with_pictures

        if self.folder:
            return notebook(with_pictures(self))
        # the pictures of the examples are cut out of overlays, which nobody has drawn yet
        try:
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder)
                examples = {example.path for finding in self.findings for example in finding.examples}
                rows = self._drawn_into(out, [row for row in self.images if row.path in examples], all_of_them=True)
                self._write_findings(out)
                return notebook(with_pictures(replace(self, images=tuple(rows), folder=folder)), self)
        except OSError:
            # without a folder to draw into there is still the text
            return notebook(self)

    def _write_findings(self, out: AnyFolder) -> None:
        root = self.sources[0].folder
        write_findings(out, self, self.class_maps, self.edited_images, self.part_maps, self.job, root)

    def _drawn_into(self, out: AnyFolder, rows: Sequence[ImageRow], *, all_of_them: bool) -> list[ImageRow]:
        """The rows with the overlays that are drawn for them: of all images, or of those that have a flag."""
        wanted = {row.path for row in rows if all_of_them or row.flags}
        sources = [source for source in self.sources if source.name in wanted]
        drawn = draw_overlays(self.job, sources, out, threads(self.options.workers or available_cores()), Observer())
        return [replace(row, overlay=drawn.get(row.path) or "") for row in rows]
