"""What the paper finds, as checks that a study either passes or does not."""
