"""The explorer: a self-contained web page with a study's images, patterns, depth maps and scores."""
