"""Guards that ask what has happened since the event: is its state still the same, has another event come?"""
