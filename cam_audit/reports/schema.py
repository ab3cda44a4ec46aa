"""The documents that programs read: who wrote them, and their versions, one a kind.

A version rises when what its document has changes.
"""

from __future__ import annotations

# In the documents that say who wrote them.
TOOL = "cam-audit"

# findings.json, and the formats that tell the same
FINDINGS = 1
# 2 has the changes of parts.
COMPARISON = 2
RUN = 1
# 2 has the marks of parts; those of 1 are read.
BASELINE = 2
# 2 has the marks of parts, 3 has notes; earlier ones are read. The page's script (review.js) writes and checks it, too.
REVIEW = 3
PART_MAPS = 1
# Of any of them that is read back, as it may be anybody's: the confused images of a million photos take 200 MB.
MAX_BYTES = 1 << 28
