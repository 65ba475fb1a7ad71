"""What oxtrio is measured beside: one adapter per supervisor, all with the same two members."""
