"""The words that end a scan."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from cam_audit.records import Record, SkippedImage

MAX_CLASSES = 5
MAX_REASONS = 3


@dataclass
class Tally:
    """Running counts over the records of a scan; `wrong` counts, per folder, what its images are taken for instead."""

    images: int = 0
    errors: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    labelled: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Count one record."""
        self.images += 1
        if isinstance(record, SkippedImage):
            self.errors += 1
            self.reasons[record.reason] += 1
        elif record.agrees is not None:
            label = record.source.label
            self.labelled[label] += 1
            if not record.agrees:
                self.wrong.setdefault(label, Counter())[record.scores[0].class_name] += 1


def summary(tally: Tally, seconds: float) -> str:
    """The summary of a scan: how many images, errors, agreement of prediction and folder, the worst classes."""
    rate = tally.images / seconds if seconds else 0.0
    lines = [f"{_count(tally.images, 'image')}, {_count(tally.errors, 'error')}, {rate:.1f} images/s"]
    lines += [f"  {count} x {reason}" for reason, count in tally.reasons.most_common(MAX_REASONS)]
    labelled = tally.labelled.total()
    if labelled:
        right = labelled - sum(counts.total() for counts in tally.wrong.values())
        lines.append(f"prediction = folder in {right} of {labelled} ({right / labelled:.1%})")
        lines += _worst(tally)
    return "\n".join(lines)


def _worst(tally: Tally) -> list[str]:
    """The folders whose images are most often predicted as something else, with what they are taken for."""

    def order(label: str) -> tuple[float, int, str]:
        wrong = tally.wrong[label].total()
        return -wrong / tally.labelled[label], -wrong, label

    lines = ["worst classes:"] if tally.wrong else []
    for label in sorted(tally.wrong, key=order)[:MAX_CLASSES]:
        counts = tally.wrong[label]
        total = tally.labelled[label]
        other, times = counts.most_common(1)[0]
        lines.append(f"  {label}: {total - counts.total()} of {total} right; taken for {other} {times} x")
    if len(tally.wrong) > MAX_CLASSES:
        lines.append(f"  and {len(tally.wrong) - MAX_CLASSES} more with wrong predictions")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
