"""The versions of the documents that programs read, one a kind: each rises when what its document has changes."""

from __future__ import annotations

# findings.json, and the formats that tell the same
FINDINGS = 1
# 2 has the changes of parts.
COMPARISON = 2
RUN = 1
# 2 has the marks of parts; those of 1 are read.
BASELINE = 2
# As the baseline's; the page's script (review.js) writes and checks it too.
REVIEW = 3
PART_MAPS = 1
# Of any of them that is read back, as it may be anybody's: the confused images of a million photos take 200 MB.
MAX_BYTES = 1 << 28
