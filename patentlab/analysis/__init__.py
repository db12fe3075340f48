"""From records to tables. Imports neither torch nor transformers."""
