"""Getting a model's files: byte-exact, resumed after whatever happened, checked before it is listed."""
