"""Statistics on arrays alone: tests, intervals, power. Knows neither run matrices nor pandas, torch or transformers."""
