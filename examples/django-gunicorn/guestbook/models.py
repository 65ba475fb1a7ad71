"""What the guest book keeps."""

from django.db import models


class Entry(models.Model):
    """One line in the guest book."""

    name = models.CharField(max_length=100)
    at = models.DateTimeField(auto_now_add=True)
