"""Models of other servers that speak OpenAI's API: their addresses, and a runner that relays to them."""
