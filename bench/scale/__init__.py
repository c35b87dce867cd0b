"""`make scale`: what more replicas, tenants and copies of the log cost, and a model of what a large mesh needs."""
