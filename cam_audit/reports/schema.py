"""The versions of the documents that programs read, one a kind: each rises when what its document has changes."""

from __future__ import annotations

# findings.json, and the formats that tell the same
FINDINGS = 1
COMPARISON = 1
RUN = 1
BASELINE = 1
# The page's script (review.js) writes and checks it too.
REVIEW = 1
