"""The program: all commands, and what becomes of their errors."""

from __future__ import annotations

import math
import signal
import time
import traceback
import warnings
from importlib import import_module
from types import FrameType

import click

from cam_audit import __version__
from cam_audit.cli.helpful import HelpfulGroup
from cam_audit.cli.process.exits import Exit, Interrupted, Terminated
from cam_audit.cli.process.forked import PASSED_ON
from cam_audit.cli.process.lacking import lacking, too_little_memory
from cam_audit.cli.process.libraries import set_environment
from cam_audit.cli.terminal import complain
from cam_audit.errors import CamAuditError, NotOnnxError
from cam_audit.text import printable

OPENCV_HELP = (
    "install the system's library with `apt-get install libgl1 libglib2.0-0`, or take the build that needs none: "
    "`pip uninstall opencv-python && pip install --force-reinstall --no-deps opencv-python-headless`"
)


COMMANDS = ("scan", "live", "baseline", "compare", "challenge", "report", "explain", "demo", "models", "help")


class _Commands(HelpfulGroup):
    """Commands whose modules are imported when they are asked for: each is the function named like its module."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"cam_audit.cli.{cmd_name}"), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="cam-audit")
def cam_audit() -> None:
    """Find, show and prove what an image classifier looks at when it should not.

    Exit codes: 0 clean, 1 findings, 2 wrong usage or unusable input, 3 done but for some images, 70 a fault of
    cam-audit or of a library under it, 130 interrupted, 141 nobody reads its output, 143 terminated.
    """


def run() -> int:
    """Run the command that `sys.argv` names; its exit code. Every error that a user can mend is one line on stderr."""
    # damaged images get a row with the reason; what Pillow has to say would only break the progress bar
    warnings.filterwarnings("ignore", module=r"PIL\.")
    set_environment()
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    if reason := too_little_memory():
        complain(reason)
        return Exit.USAGE
    try:
        code: int = cam_audit.main(prog_name="cam-audit", standalone_mode=False) or Exit.CLEAN
    except SystemExit as error:
        # by which `live` ends at a signal
        code = int(error.code or Exit.CLEAN)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = Exit.USAGE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "cam-audit"
        complain(f"{error.format_message()} (see `{command} --help`)")
        code = Exit.USAGE
    except NotOnnxError as error:
        complain(error.message, error.code)
        code = Exit.USAGE
    except CamAuditError as error:
        complain(str(error))
        code = Exit.USAGE
    except (Interrupted, KeyboardInterrupt, click.Abort) as error:
        for number in PASSED_ON:
            signal.signal(number, _ignore)
        complain(str(error) or "interrupted")
        code = Exit.TERMINATED if isinstance(error.__cause__ or error, Terminated) else Exit.INTERRUPTED
    except Exception as error:
        return tell(error)
    return code


def tell(error: Exception) -> int:
    """Tell of an error that nobody foresaw; its exit code."""
    reason = lacking(error)
    if reason:
        complain(reason)
    elif isinstance(error, ImportError) and ("cv2" in (error.name or "") or ".so" in str(error)):
        complain(f"OpenCV cannot be loaded ({error}); {OPENCV_HELP}")
    else:
        # a fault of our own needs its traceback, and a CI job must not take it for findings
        click.echo("\n".join(map(printable, "".join(traceback.format_exception(error)).splitlines())), err=True)
        complain("this is a fault in cam-audit; please report it with the lines above")
        return Exit.CRASHED
    return Exit.USAGE


_interrupted = -math.inf


def _interrupt(number: int, _: FrameType | None) -> None:
    """End what is under way, once a second: who tells two processes at a time does not mean to interrupt the end."""
    global _interrupted
    if time.monotonic() - _interrupted > 1:
        _interrupted = time.monotonic()
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _ignore(_: int, __: FrameType | None) -> None:
    """Not signal.SIG_IGN, to which Python objects on stderr where it is set while another signal arrives."""
