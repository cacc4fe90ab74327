from __future__ import annotations

from django.urls import path

from models_app import views

app_name = "models"
urlpatterns = [
    path("", views.models_list, name="list"),
    path("rescan", views.rescan, name="rescan"),
    path("<uuid:entry_id>/", views.entry, name="entry"),
    path("<uuid:entry_id>/load", views.load, name="load"),
    path("<uuid:entry_id>/unload", views.unload, name="unload"),
    path("<uuid:entry_id>/default", views.make_default, name="make_default"),
    path("<uuid:entry_id>/forget", views.forget, name="forget"),
]
