"""What handlers that call a service over HTTPS share: the request, the check of its address, and the answer's meaning.

A handler derives from `handlers.http.handler.HttpHandler`, and states its URL, headers, body, and what the answers of
its service mean where their status alone misleads.
"""
