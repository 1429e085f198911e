"""The command line: demo, train, evaluate, predict, review."""

from sklearn_kpd.cli.commands import main as main
