"""Models: timm Vision Transformers with token reduction, their weights, and traces."""
