"""Stories: what operators live through, told end to end on real servers with an injected clock."""
