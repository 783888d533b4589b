"""The exchanges, served locally in their own wire protocols from one coherent market model, with faults on request."""
