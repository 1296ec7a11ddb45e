"""The trigonometric algorithm inside a trained network (App. B, Fig. 11)."""
