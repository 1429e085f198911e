"""How an estimator is kept: file, tree of values, networks, checks, upgrades of older files."""
