"""Processes: children that end with their parent, and signals that are answered in time."""
