"""Errors and warnings as people at a command line want them: one line each."""

import errno
import warnings
from typing import Any

import click

# What a user can mend; the rest is a bug, and shows where it is. A loss that diverged is an
# ArithmeticError, NotImplementedError a RuntimeError.
_ERRORS = (ValueError, OSError, MemoryError, ImportError, ArithmeticError, RuntimeError)


class Commands(click.Group):
    """Turn errors that a user can mend into one line and exit code 1, and warnings into one."""

    def invoke(self, ctx: click.Context) -> Any:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except (click.exceptions.Exit, click.Abort, click.UsageError):
                raise
            except click.ClickException as error:
                raise click.ClickException(_one_line(error.message)) from error
            except _ERRORS as error:
                if getattr(error, "errno", None) == errno.EPIPE:
                    raise  # nobody reads any more: click ends in silence
                raise click.ClickException(_one_line(error) or type(error).__name__) from error


def _one_line(text: Any) -> str:
    return _printable(" ".join(str(text).split()))


def _printable(text: str) -> str:
    """Text that may be from a file, which could bring commands to a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def say(text: str, *, err: bool = False) -> None:
    """Print a line."""
    click.echo(_printable(text), err=err)


def _show_warning(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning)):
        return  # they speak to programmers
    say(f"Warning: {_one_line(message)}", err=True)


def load_tensorflow() -> None:
    """Import TensorFlow, before a command says what it does next: it takes seconds."""
    import sklearn_kpd.regressor  # noqa: F401
