"""Training of classifiers, and what they predict once trained."""
