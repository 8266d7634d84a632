"""The event subscriptions that the rules need: one model, its commands and templates, and what is deployed."""
