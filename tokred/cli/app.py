"""The program `tokred` and its commands.

Help, errors in options and `tokred methods` must come at once: no module of this folder imports torch before
a command needs it.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import tokred
from tokred.cli import benchmark, evaluate, methods

#: What people can correct, as opposed to defects of tokred, which have a traceback.
_MISTAKES = (ValueError, OSError)
#: Base of typer's errors in options and arguments; its module depends on typer's release.
_UsageError: Any = typer.BadParameter.__base__


class _Commands(TyperGroup):
    """Commands whose errors are one line on the standard error stream, with exit status 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            if not error.format_message():  # a command without arguments has printed its help
                raise typer.Exit(2) from None
            path = getattr(error.ctx, "command_path", "tokred")
            _fail(f"{error.format_message().rstrip('.')}; see `{path} --help`")
        except BrokenPipeError:  # such as `tokred methods | head -1`
            raise
        except _MISTAKES as error:
            _fail(_one_text(error))


def _one_text(error: BaseException) -> str:
    """An error's message; the operating system's with the file that it is about."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    lines = [line.strip() for line in str(error).splitlines()]
    return "; ".join(line for line in lines if line) or type(error).__name__


def _fail(message: str) -> None:
    print(f"tokred: error: {message}", file=sys.stderr)
    raise typer.Exit(2)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tokred {tokred.__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make a Vision Transformer faster by pruning or merging its tokens, and see what that costs."""


app.command("methods")(methods.methods)
app.command("evaluate", no_args_is_help=True)(evaluate.evaluate)
app.command("benchmark", no_args_is_help=True)(benchmark.benchmark)


def main() -> None:
    """Run the program with the arguments of this process."""
    # Before these are imported: their warnings would surround the one line of an error.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    app(prog_name="tokred")
