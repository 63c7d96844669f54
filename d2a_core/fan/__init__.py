"""AugDistiller: augmented pairs, FAN, the closed loop; fine-tuning."""
