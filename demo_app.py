"""function_app.py with a fast clock, for `mlevents demo`. Azure does not load it: .funcignore excludes it.

A roll-out does not trust a single read: it waits 15 seconds or more (handlers/deploy/limits.py). With this clock, the
limits stay as they are in Azure, and pass in a fraction of the time. The delays of queue messages are real ones.
"""

import os
from dataclasses import replace
from datetime import datetime

import function_app
from dispatch.app import App, LazyApp, utc_now

_SPEED = int(os.environ["DEMO_CLOCK_SPEED"])  # seconds of this clock in a second
_STARTED = utc_now()


def fast_now() -> datetime:
    """The time of the fast clock, which is correct when the worker starts, and then runs ahead."""
    return _STARTED + (utc_now() - _STARTED) * _SPEED


function_app.the_app = LazyApp(lambda: replace(App.from_settings(os.environ), now=fast_now))
app = function_app.app
