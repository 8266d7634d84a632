"""The pages of the app's record. `function_app.web` imports them at the first request: events never wait for them."""
