"""What every command shares: composing, overrides, exit codes, progress, tables."""
