"""How close synthetic text is to real text."""
