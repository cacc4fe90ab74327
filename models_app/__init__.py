"""The catalog: which model files are here, what they are, and what is loaded."""
