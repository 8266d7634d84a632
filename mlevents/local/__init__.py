"""Runs the function app on one machine, without Azure and without Azure Functions Core Tools.

As in reality there are two processes: a host (this one: HTTP, queues, timers, timeouts) and a language worker that it
starts, watches and can kill. Indexing, decoding and invoking in the worker are Microsoft's own code. Linux and macOS.
"""
