"""Options of a command from a file: pyproject.toml, setup.cfg, or what `--config` names."""

from __future__ import annotations

import configparser
import difflib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from cam_audit.cli.helpful import HelpfulCommand
from cam_audit.cli.terminal import note
from cam_audit.errors import CamAuditError
from cam_audit.text import cut

NAME = "cam-audit"
MAX_SHOWN = 300
TOML_FILE, INI_FILE = "pyproject.toml", "setup.cfg"
# Options of which only one may be given: one on the command line wins over another in the file.
RIVALS = (("net", "model"), ("masks", "boxes"), ("resume", "fresh"))


@dataclass(frozen=True)
class Section:
    """What a file says to us: values as TOML has them where `is_toml`, else words."""

    file: Path
    values: Mapping[str, Any]

    @property
    def is_toml(self) -> bool:
        """Whether the file is TOML."""
        return self.file.suffix == ".toml"

    @property
    def place(self) -> str:
        """The file and the section, for messages."""
        return f"{self.file}, {_section_name(self.file)}"


class ConfiguredCommand(HelpfulCommand):
    """A command whose options may also stand in a file; needs the parameter that `config_option` adds."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line, which wins over the file also where an option there excludes one here."""
        rest = super().parse_args(ctx, args)
        sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
        for rivals in RIVALS:
            if any(sources.get(name) is ParameterSource.COMMANDLINE for name in rivals):
                for name in rivals:
                    if sources.get(name) is ParameterSource.DEFAULT_MAP:
                        ctx.params[name] = None
        return rest


def configure(ctx: click.Context, _: click.Parameter, file: Path | None) -> None:
    """Callback of the option --config: take the command's defaults from its file, or from one in the current folder.

    Raises CamAuditError where the file can't be read, or has an unknown option or a wrong value.
    """
    if ctx.resilient_parsing:
        return
    section = _search() if file is None else _section(file)
    if section is None:
        if file is not None:
            raise CamAuditError(f"{file}: there is no section {_section_name(file)} in it")
        return
    options = _options(ctx.command)
    values: dict[str, object] = {}
    for key, value in section.values.items():
        name = key.replace("_", "-")
        if name not in options:
            close = difflib.get_close_matches(name, options, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"`{ctx.command_path} --help` lists them"
            raise CamAuditError(f"{section.place}: there is no option {key!r}; {hint}")
        option = options[name]
        if option.name in values:
            raise CamAuditError(f"{section.place}: {name!r} is there twice")
        values[str(option.name)] = _checked(ctx, option, value, section, key)
    ctx.default_map = values
    if values:
        note(f"options from {section.file}: {', '.join(section.values)}")


config_option = click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", is_eager=True, expose_value=False, callback=configure,
    help="Take options from [tool.cam-audit] of a .toml file, or [cam-audit] of any other; the command line wins.  "
    f"[default: {TOML_FILE} or {INI_FILE} in the current folder]",
)  # fmt: skip


def _options(command: click.Command) -> dict[str, click.Option]:
    """The options that may stand in a file, by their long names without the dashes."""
    options = (option for option in command.params if isinstance(option, click.Option) and option.name != "config")
    return {name[2:]: option for option in options for name in option.opts if name.startswith("--")}


def _search() -> Section | None:
    """What the file in the current folder says that has a section for us."""
    files = (Path(TOML_FILE), Path(INI_FILE))
    sections = [section for file in files if file.is_file() and (section := _section(file))]
    if len(sections) > 1:
        raise CamAuditError(f"both {TOML_FILE} and {INI_FILE} have a section for cam-audit; keep one of them")
    return sections[0] if sections else None


def _section(file: Path) -> Section | None:
    """What a file says to us; None where it has no section for us."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise CamAuditError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CamAuditError(f"{file}: not a text file in UTF-8") from None
    values = _from_toml(file, text) if file.suffix == ".toml" else _from_ini(file, text)
    return None if values is None else Section(file, values)


def _from_toml(file: Path, text: str) -> Mapping[str, Any] | None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        tools = tomllib.loads(text).get("tool", {})
    except RecursionError:
        raise CamAuditError(f"{file}: not TOML: nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise CamAuditError(f"{file}: not TOML: {error}") from None
    except ValueError:
        raise CamAuditError(f"{file}: a number in it has too many digits") from None
    values = tools.get(NAME) if isinstance(tools, Mapping) else None
    if values is not None and not isinstance(values, Mapping):
        raise CamAuditError(f"{file}: tool.{NAME} must be a table")
    return values


def _from_ini(file: Path, text: str) -> Mapping[str, Any] | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text, str(file))
    except configparser.Error as error:
        raise CamAuditError(f"{file}: damaged: {error}") from None
    return dict(parser[NAME]) if NAME in parser else None


def _section_name(file: Path) -> str:
    return f"[tool.{NAME}]" if file.suffix == ".toml" else f"[{NAME}]"


def _checked(ctx: click.Context, option: click.Option, value: Any, section: Section, key: str) -> object:
    """The value as click takes it for the option; raises CamAuditError where the option can't have it."""
    if section.is_toml:
        wanted, fits = _toml_type(option, value)
        if not fits:
            raise CamAuditError(f"{section.place}: {key!r} must be {wanted}, not {cut(repr(value), MAX_SHOWN)}")
    elif option.multiple:
        value = [line.strip() for line in value.splitlines() if line.strip()]
    # no argument of a command line can hold one, and no name of a file
    if any(isinstance(word, str) and "\0" in word for word in (value if isinstance(value, list) else [value])):
        raise CamAuditError(f"{section.place}: {key!r} holds a NUL character")
    try:
        converted = option.type_cast_value(ctx, value)
        if option.callback:
            option.callback(ctx, option, converted)
    except click.BadParameter as error:
        raise CamAuditError(f"{section.place}: {key!r}: {cut(error.message, MAX_SHOWN)}") from None
    return value


def _toml_type(option: click.Option, value: object) -> tuple[str, bool]:
    """What a TOML file must have for the option, in words, and whether it has."""
    if option.multiple:
        return "a list of strings", isinstance(value, list) and all(isinstance(item, str) for item in value)
    if option.is_flag:
        return "true or false", isinstance(value, bool)
    if isinstance(option.type, click.IntRange):
        return "a whole number", isinstance(value, int) and not isinstance(value, bool)
    return "a string", isinstance(value, str)
