"""What `handlers.template` consists of: filters, limits, checks of the source, dates and regular expressions."""
