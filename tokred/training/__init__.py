"""Fine-tuning and pretraining: losses, optimization, checkpoints, the training loop."""
