"""Lengths of units in SI, so that a conversion says what it does."""

SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86_400.0

KM_PER_METRE = 1e-3
