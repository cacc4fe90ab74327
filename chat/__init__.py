"""Conversations and their turns: stored, streamed, rendered."""
