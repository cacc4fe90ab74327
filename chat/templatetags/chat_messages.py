"""What the message templates need to say of a message."""

from __future__ import annotations

from django import template

from chat import wording
from rendering import render_markdown

register = template.Library()

register.filter("markdown", render_markdown)
register.filter("status_line", wording.stored_status_line)
register.filter("ending_line", wording.ending_line)
register.filter("reasoning_line", wording.reasoning_line)
register.filter("dropped_line", wording.dropped_line)
register.filter("statistics", wording.statistics)
