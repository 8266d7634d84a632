"""How long the steps wait before they believe what they read, repeat a request, or stop waiting.

Azure's lists and reads can be behind its writes, so one read that does not find a run proves nothing. Every limit here
is a time. A rule's `poll` shortens the pauses while a run is followed, and changes no limit.
"""

from datetime import timedelta

# Pauses between reads of a run that is followed. A rule's `poll` shortens these.
MIN_PAUSE = timedelta(seconds=30)
MAX_PAUSE = timedelta(minutes=5)
OVERDUE_PAUSE = timedelta(minutes=1)  # of a run that is being canceled

# Pauses between attempts to start a run.
RETRY_PAUSE = timedelta(seconds=30)
MAX_RETRY_PAUSE = timedelta(hours=1)

# Until a run that is not found is taken for absent.
RUN_LISTED = timedelta(minutes=2)  # a request may have started it: services list new runs with a delay
RUN_MISSING = timedelta(minutes=20)  # it was started, and reads do not find it

# Until the action gives up.
START_RETRY = timedelta(hours=24)  # requests to start the run keep failing
CANCELLATION = timedelta(hours=1)  # the run does not end although its cancellation was requested

CLOCK_SKEW = timedelta(minutes=5)  # how far the service's clock may be off

# A longer time between two reads that do not find a run counts as GAP_COUNTED: an outage of the app ends no wait.
MAX_GAP, GAP_COUNTED = timedelta(minutes=5), timedelta(seconds=5)
