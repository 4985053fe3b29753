"""A fleet: replicas of one model that Ray Serve keeps up, on a cluster or on this machine."""
