"""The command line: options, tables in a terminal and in files, errors; no computation."""
