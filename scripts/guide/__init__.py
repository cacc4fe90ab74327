"""Makes the built-in guide: data, training, export and evaluation. `make guide` runs all of it."""
