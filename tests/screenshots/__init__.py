"""Pictures of the dashboard for the README, made from the demo's world."""
