"""Documents that are added to the real ones. Knows nothing of classifiers."""
