"""What every package stands on; knows nothing of radio or of learning."""
