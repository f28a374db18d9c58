"""The keeper's reception: for a tenant and a person, the way into the right cell.

Rule: a token is asked for only from a cell that has proved to be ours, and a route belongs to one
person, one role and one instance of one cell.
"""

ROUTE_S = 60.0
"""A route is asked for again after so long, so that an ended right ends."""
LOG_BYTES_SHOWN = 64 * 1024
