"""Find and erase what the record keeps about a person: access, and erasure, of personal data."""
