"""Audit a folder of images and fail if a finding is an error: `python audit.py photos my.cam.onnx`."""

import sys

import cam_audit

dataset, model = sys.argv[1:]
report = cam_audit.audit(dataset, model, out="audit-out")
for finding in report.findings:
    print(f"{finding.severity}: {finding.message}")
sys.exit(any(finding.severity == "error" for finding in report.findings))
