"""People: the first administrator, signing in and out."""
