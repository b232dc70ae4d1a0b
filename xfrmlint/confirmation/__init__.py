"""A second opinion: what libclang says at the places of findings, and where the parsers differ."""
