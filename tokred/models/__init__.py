"""Models: timm Vision Transformers with token reduction, their weights, and what became of every token."""
