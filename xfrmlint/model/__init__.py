"""The contract's semantics as pure functions: no C and no SQL; to be read next to the RFC."""
