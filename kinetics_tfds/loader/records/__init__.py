"""Reading records one by one, at the places that an index knows."""
