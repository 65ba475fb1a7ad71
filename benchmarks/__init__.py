"""oxtrio beside its peers and beside the least that the machine allows, measured in one run."""
