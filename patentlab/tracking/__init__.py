"""What is kept of a run: result.json is the truth, MLflow mirrors it."""
