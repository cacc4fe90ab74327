"""The engine of Minerva: runs language models in processes of their own. Knows nothing of Django."""
