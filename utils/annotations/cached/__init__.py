"""What scans keep in the user's cache folder, so that unchanged files are not read again."""
