"""Commands of cvtui that the screen runs in processes of their own: asked for, shown with a bar, cancelled."""
