"""Attribution: what restoring modules would mend, from gradients, and what it really mends."""
