#!/usr/bin/env python
"""Django's command line, with Minerva's settings."""

import os
import sys


def main() -> None:
    from inference.lifeline import exit_with_parent
    from minerva_site.arguments import prepare_environment

    exit_with_parent()
    prepare_environment(sys.argv, os.environ)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "minerva_site.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
