"""How long a roll-out waits before it believes what it reads, repeats a request, or stops waiting.

Azure's reads can be behind its writes, and its replicas can disagree, so one read proves nothing. Every limit here is a
time, measured from the first read that showed the state in question. A rule's `poll` shortens the pauses between reads
and changes no limit. For comparison, the recordings of azure-ai-ml's own tests (Azure/azure-sdk-assets) show 20 seconds
for a change of traffic, 71 to 90 seconds for an endpoint and ten minutes for a deployment.
"""

from datetime import timedelta

# Pauses between reads. A rule's `poll` shortens these.
PAUSE = timedelta(seconds=15)  # of something that takes seconds
LONG_PAUSE = timedelta(seconds=30)  # of something that takes minutes
DELETION_PAUSE = timedelta(minutes=1)  # of a deployment that is still being created or deleted during a rollback

BAKE_PAUSE = timedelta(minutes=1)  # between health checks while a share bakes; `poll` does not shorten it

# A longer time between two polls counts as GAP_COUNTED: no limit passes while the app does not poll, as in an outage.
# It counts a little, so that a roll-out ends even if every poll is late.
MAX_GAP, GAP_COUNTED = timedelta(minutes=5), timedelta(seconds=5)

# Until the step sends its request again.
REFUSAL_SETTLED = timedelta(seconds=45)  # a refused request had no effect, but its reason may need time to pass
OUTCOME_KNOWN = timedelta(minutes=2)  # a request whose answer was lost, by a crash too, may have had an effect

# Until a resource that is not found counts as absent.
MODEL_VISIBLE = timedelta(minutes=5)  # an event can arrive before every replica of Resource Manager has its model
ENDPOINT_MISSING = timedelta(seconds=30)  # an endpoint that existed: creating it again would drop its traffic
ENDPOINT_DELETED = timedelta(seconds=15)
DEPLOYMENT_VISIBLE = timedelta(minutes=10)  # Azure accepted its creation
DEPLOYMENT_ABSENT = timedelta(seconds=45)  # its creation may have been requested, and not be visible yet
DEPLOYMENT_DELETED = timedelta(seconds=15)  # Azure accepted its deletion

# Until a change of traffic is confirmed, or has failed.
TRAFFIC_SETTLED = timedelta(seconds=15)  # every read shows the split; a stale replica would not
TRAFFIC_VISIBLE = timedelta(minutes=10)  # a change takes 20 s (see above); one that never shows has failed
TRAFFIC_RESTORED = timedelta(minutes=30)  # three requests, TRAFFIC_VISIBLE apart; then a person must act
CONCURRENT_CHANGE = timedelta(seconds=30)  # every read shows traffic that this roll-out did not set

# Until a deployment counts as bad.
READY_TO_SCORE = timedelta(seconds=45)  # a deployment that was provisioned a moment ago may not accept requests yet
UNHEALTHY = timedelta(seconds=15)  # tolerates one failed health check

# Until Azure Monitor has the metrics of a minute. learn.microsoft.com, "Log data ingestion time in Azure Monitor", has
# under a minute for platform metrics, and three minutes more where they are exported.
METRICS_VISIBLE = timedelta(minutes=3)

# Until a deletion has failed.
DELETION = timedelta(minutes=10)  # of an endpoint or an older deployment
ROLLBACK_DELETION = timedelta(hours=2)  # of the new deployment, which may have to finish its creation first
STUCK_CREATION = timedelta(minutes=5)  # a rollback waits this long for the creation to end before it deletes anyway

# For how long a failing step is retried. `timeout` is the limit for the steps that lead to more traffic.
CLEANUP_RETRY = timedelta(minutes=30)  # the model serves already, and other roll-outs wait for the lock
ROLLBACK_RETRY = timedelta(hours=2)  # meanwhile no other roll-out can change the endpoint
ERROR_FREE = timedelta(hours=1)  # an error after a longer period without errors starts a new series
