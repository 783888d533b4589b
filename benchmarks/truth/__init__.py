"""The truth test: what the detector finds of what a market with a secret ledger plants into it."""
