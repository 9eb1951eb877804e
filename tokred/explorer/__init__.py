"""The explorer: one web page with a study's images, patterns, depth maps and scores, all inside one file."""
