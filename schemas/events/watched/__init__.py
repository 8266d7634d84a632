"""Events of the app about what Azure ML raises no event for: `dispatch.watch` raises them."""
