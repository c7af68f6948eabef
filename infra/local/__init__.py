"""Prorata on one machine: the same template and the same handlers, with a calendar in hand."""
