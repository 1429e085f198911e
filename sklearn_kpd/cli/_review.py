"""The page of a review: what it needs is checked and read, and it is served until it ends."""

import contextlib
import importlib.util
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sklearn_kpd.cli import _outputs

if TYPE_CHECKING:
    from sklearn_kpd.cli._inputs import Data
    from sklearn_kpd.label_quality._review.corrections import Corrections
    from sklearn_kpd.label_quality._review.outputs import Output
    from sklearn_kpd.label_quality._review.session import Session


class Review:
    """A review of labelled data, before or after it is looked at.

    Parameters
    ----------
    source : Path
        What the data were read from.
    data : Data
        With labels.
    issues : Path
        What find_label_issues has found in them.
    out : Path or None
        Where corrected labels go, if not beside the source.
    """

    def __init__(self, source: Path, data: "Data", issues: Path, out: Path | None) -> None:
        from sklearn_kpd.label_quality._review.issues import read_issues
        from sklearn_kpd.label_quality._review.journal import header_of
        from sklearn_kpd.label_quality._review.labelled import labelled

        content = _content(issues)
        self.data = labelled(source.name, data.X, data.y, data.flip_pairs)
        self.suspects = read_issues(content, issues, self.data.labels, self.data.names)
        self.journal = issues.with_name(f"{issues.name}.review.jsonl")
        self.header = header_of(source.name, issues.name, self.data.fingerprint(content))
        self.output = _checked_output(source, data, out, [source, issues, self.journal])

    def write(self, corrections: "Corrections") -> str:
        """Write corrected labels; returns what is said of it."""
        from sklearn_kpd.label_quality._review.outputs import write_corrected

        after, data = corrections.corrected(), self.data
        write_corrected(self.output, data.labels, after, data.names)
        n = len(corrections.changed)
        return (
            f"Wrote {self.output.path}, in which {n} of {len(data.labels)} "
            f"{'row has' if n == 1 else 'rows have'} other labels than {self.output.source}."
        )

    def write_journal(self) -> None:
        """Write what the journal says, without a page."""
        from sklearn_kpd.label_quality._review.journal import read_journal
        from sklearn_kpd.label_quality._review.session import replayed

        entries = read_journal(self.journal, self.header)
        click.echo(self.write(replayed(self.data, self.suspects, entries)))

    def serve(self, port: int, browser: bool) -> None:
        """Serve the page until it is finished, or until Ctrl-C."""
        from sklearn_kpd.label_quality._review.journal import Journal
        from sklearn_kpd.label_quality._review.outputs import warnings_of
        from sklearn_kpd.label_quality._review.session import Session

        journal = Journal(self.journal, self.header)
        try:
            session = Session(self.data, self.suspects, journal, str(self.output.path))
            for text in warnings_of(self.output):
                click.echo(text, err=True)
            self._run(session, port, browser)
        finally:
            journal.close()

    def _run(self, session: "Session", port: int, browser: bool) -> None:
        from sklearn_kpd.label_quality._review.server import Server

        said: list[str] = []

        def finish() -> str:
            said.append(self.write(session.corrections))
            return said[-1]

        server = Server(session, finish, port)
        click.echo(f"{_progress(session.corrections)}; each change is kept in {self.journal}.")
        click.echo(f"Open {server.url} (Ctrl-C ends, and the same command goes on).")
        if browser:  # one in a terminal would not return
            threading.Thread(target=webbrowser.open, args=[server.url], daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):  # the server itself may end quietly by it
            server.run()
        end = (
            f"\n{_progress(session.corrections)}. The same command goes on, and with --write it "
            f"writes {self.output.path}."
        )
        click.echo(said[-1] if said else end)


def check_flask() -> None:
    """Fail before anything is read."""
    if importlib.util.find_spec("flask") is None:
        raise click.ClickException(
            "The page is served by Flask, which is not there: pip install 'sklearn-kpd[review]'."
        )


def _progress(corrections: "Corrections") -> str:
    n_looked_at, n_rows = len(corrections.looked_at), len(corrections.rows)
    return f"{n_looked_at} of {n_rows} looked at, {len(corrections.changed)} changed"


def _content(issues: Path) -> bytes:
    if not issues.is_file():
        raise click.ClickException(f"{issues}: no such file.")
    return issues.read_bytes()


def _checked_output(source: Path, data: "Data", out: Path | None, inputs: list[Path]) -> "Output":
    """Where to, once it is sure that it can be written and is no file that is read."""
    from sklearn_kpd.label_quality._review.outputs import choose_output

    images: Any = data.X if data.kind == "images" else None
    output = choose_output(source, out, data.annotations, images)
    path = output.path
    _outputs.check_output(path, [path.suffix.lower()], inputs)
    if source.is_dir() and source.resolve() in path.resolve().parents:
        raise click.ClickException(f"{path} would lie in {source}, which is read: give another.")
    return output
