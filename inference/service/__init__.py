"""The inference service: owns the runners, the queue, the memory plan and the generation log."""
