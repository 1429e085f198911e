"""The page on which a person mends wrong labels: its state, its server, what it writes."""
