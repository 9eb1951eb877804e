"""Fine-tuning and pretraining: data in batches, losses, optimisation, checkpoints, the loop."""
