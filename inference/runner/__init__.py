"""The process that holds one model: `python -m inference.runner --fd N`."""
