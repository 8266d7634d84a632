"""Alerts of Azure Monitor, as action groups post them, become events.

reading.py    finds what is an alert in a payload, whatever its schema
conditions.py the conditions of an alert: metric, value and threshold, and the sentence about them
alert.py      `MonitorAlert`: an alert, and its events
receive.py    the HTTP function
"""
