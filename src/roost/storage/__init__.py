"""Where Roost keeps what it must not forget. The control database holds who and what exists,
never what a tenant stores: that stands in the tenant's own home."""
