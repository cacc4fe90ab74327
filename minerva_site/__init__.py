"""Wiring of the parts: settings, addresses, server, the serve command, health. No domain code."""
