"""Commands and groups with what all of them share: `-q`, `-v`, and an answer to a misspelt option or command."""

from __future__ import annotations

import difflib
from typing import Any

import click

from cam_audit.cli.terminal import be_quiet, be_verbose, which_there_are

# What other tools call an option, by ours: the first that a command has is proposed.
ALSO_CALLED = {
    "-o": (
        *("--out", "--outdir", "--out-dir", "--output-dir", "--output-directory", "--output-path", "--output"),
        *("--dest", "--destination", "--save-dir", "--save-to"),
    ),
    "--output": ("-o", "-f", "--format", "--output-format", "--formats", "--json", "--csv", "--sarif", "--html"),
    "--save": ("-o", "--output-dir", "--save-dir"),
    "--baseline": ("-o", "--output-dir"),
    "--workers": ("-j", "--jobs", "--threads", "--num-workers", "--processes", "--cores"),
    "--provider": ("--device", "--gpu", "--cuda", "--execution-provider"),
    "--net": ("-n", "--network", "--arch", "--architecture", "--backbone"),
    "--model": ("-m", "--weights", "--checkpoint", "--onnx"),
    "--size": ("--imgsz", "--img-size", "--image-size", "--resolution", "--input-size"),
    "--input-size": ("--imgsz", "--img-size", "--image-size", "--resolution", "--size"),
    "--quiet": ("-s", "--silent"),
    "--verbose": ("--debug", "--log", "--log-level", "--loglevel"),
    "--labels": ("--classes", "--class-names", "--names", "--label"),
    "--select": ("--only", "--codes", "--enable", "--checks"),
    "--ignore": ("--skip", "--disable", "--suppress", "--without"),
    "--exclude": ("--ignore", "--skip"),
    "--fresh": ("--force", "--overwrite", "--restart"),
    "--resume": ("--continue",),
    "--limit": ("--max-images", "--num-images", "--subset"),
    "--masks": ("--mask", "--segmentation", "--mask-dir"),
    "--boxes": ("--bbox", "--bboxes", "--annotations", "--coco"),
    "--camera": ("--source", "--input", "--device", "--video"),
    "--fail-on": ("--severity", "--exit-code", "--strict"),
}


class HelpfulCommand(click.Command):
    """A command with `-q` and `-v`, which says which option may have been meant."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.params += [
            click.Option(
                ["-q", "--quiet"], is_flag=True, is_eager=True, expose_value=False, callback=_be_quiet,
                help="Print no summary, notes or progress: only errors, what was asked for, and what was left out.",
            ),
            click.Option(
                ["-v", "--verbose"], is_flag=True, is_eager=True, expose_value=False, callback=_be_verbose,
                help="Print each step with its time on stderr.",
            ),
        ]  # fmt: skip

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What click does; raises click.UsageError, with what was meant, where there is no such option."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            known = [
                name for parameter in self.get_params(ctx) for name in (*parameter.opts, *parameter.secondary_opts)
            ]
            ctx.fail(f"there is no option {error.option_name}{_meant(error.option_name, known)}")


class HelpfulGroup(click.Group):
    """A group of such commands that says which command may have been meant."""

    command_class = HelpfulCommand

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What click does; raises click.UsageError where an option is not the group's, but perhaps a command's."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            ctx.fail(f"there is no option {error.option_name} here; options of a command come after its name")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """What click makes of the arguments; raises click.UsageError where there is no such command."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            ctx.fail(f"there is no command {name!r}; {which_there_are(name, known)}")
        return super().resolve_command(ctx, args)


def _meant(name: str, known: list[str]) -> str:
    """Which of the known options may have been meant, as the end of a sentence; "" if none is near."""
    alike = next((option for option, words in ALSO_CALLED.items() if option in known and name in words), None)
    alike = alike or next(iter(difflib.get_close_matches(name, known, n=1)), None)
    return f"; did you mean {alike}?" if alike else ""


def _be_quiet(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        be_quiet(ctx)


def _be_verbose(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        be_verbose(ctx)
