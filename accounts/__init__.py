"""People: invitations, roles, groups, sessions, what each used and may use."""
