"""A market with a secret ledger: real dislocations and fakes, planted from a seed, for those who judge blindly."""
