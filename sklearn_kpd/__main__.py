"""``python -m sklearn_kpd``: the command line."""

from sklearn_kpd.cli import main

if __name__ == "__main__":
    main()
