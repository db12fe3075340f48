"""Measurements that can be repeated; each file is a command and says what it measures."""
