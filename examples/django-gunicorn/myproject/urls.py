"""What the project answers to."""

from django.urls import path
from guestbook import views

urlpatterns = [
    path("", views.entries),
    path("health/", views.health_check),
    path("slow/", views.slow),
    path("leak/", views.leak),
]
