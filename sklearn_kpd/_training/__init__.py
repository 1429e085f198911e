"""How a network is trained: data to batches, batches to weights, and what may end it early."""
