"""Result tables: their schemas, how they are written and read."""
