"""JSON Schemas of request bodies: published ones, condensed, and what the emulator adds. See README.md."""
