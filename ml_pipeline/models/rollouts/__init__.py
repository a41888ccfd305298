"""Rollouts: a challenger beside the champion, step by step, on proof."""
