"""Real documents: sources, the fixed split, and the regimes cut out of the training pool."""
