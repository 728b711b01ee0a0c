"""What the axis decides, as pure functions over values. No clock, ids, network, files, logging or async in here."""
