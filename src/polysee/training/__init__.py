"""One LightningModule for every objective; recipes say what to train, on what, for how long."""
