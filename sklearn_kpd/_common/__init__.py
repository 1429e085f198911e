"""What all the rest stands on: doors to the libraries below, and labelling schemes."""
