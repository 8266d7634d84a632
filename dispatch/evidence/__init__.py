"""Events on record that a rule asks for: `expect` decides deadlines with them, and `unless` looks for them."""
