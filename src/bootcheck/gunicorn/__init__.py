"""The only package that knows Gunicorn: arming, hooks, the master as receiver, the workers."""
