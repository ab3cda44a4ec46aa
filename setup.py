"""Puts the manual of the findings into the package, where `cam-audit explain` reads it; setup.cfg has all else."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithManual(build_py):
    """Modules and data, and docs/findings.md beside them. In a clone the manual is read where it is."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.copyfile("docs/findings.md", Path(self.build_lib, "cam_audit", "findings.md"))


setup(cmdclass={"build_py": BuildWithManual})
