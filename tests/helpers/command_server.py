"""A process that has imported all of cam_audit, and forks for each command that it is asked for.

Importing takes a command three times as long as a scan of six small images. A forked command is still a process of its
own, with its own folder, variables, output, signals and exit code. Requests come as lines of JSON on stdin; the exit
code of each goes to stdout.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import cam_audit
from cam_audit.cli import main
from cam_audit.cli.process.libraries import set_environment

# Those that need Ray, which is an extra, and take a second.
LEFT_OUT = ("cam_audit.__main__", "cam_audit.scan.ray_worker", "cam_audit.scan.ray_workers")


def import_everything() -> None:
    for module in pkgutil.walk_packages(cam_audit.__path__, "cam_audit."):
        if module.name not in LEFT_OUT:
            importlib.import_module(module.name)


def become_command(arguments: list[str], folder: str, variables: dict[str, str], outputs: list[str]) -> NoReturn:
    """What `python -m cam_audit` finds when it begins, and then the same."""
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        for number, path in enumerate((os.devnull, *outputs)):
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            os.dup2(file, number)
            os.close(file)
        encoding, _, errors = variables["PYTHONIOENCODING"].partition(":")
        sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding=encoding, errors=errors or "strict", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", 1, encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
        sys.argv = [str(Path(cam_audit.__file__).with_name("__main__.py")), *arguments]
        sys.path[0] = folder
        main()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    # as the command does before it imports anything
    set_environment()
    import_everything()
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        child = os.fork()
        if not child:
            become_command(**request)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
