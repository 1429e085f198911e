"""The command line: demo, train, evaluate, predict."""

from sklearn_kpd.cli.commands import main as main
