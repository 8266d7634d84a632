"""What a service knows about the objects of events: asked once, made safe, kept beside the event."""
