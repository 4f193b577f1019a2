"""The mathematics: pure functions, one equation each."""
