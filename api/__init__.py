"""The HTTP API for programs: what OpenAI's and Anthropic's clients speak, with keys."""
