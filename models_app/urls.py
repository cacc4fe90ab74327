from __future__ import annotations

from django.urls import path

from models_app import settings_views, views
from models_app.downloads import upload_views
from models_app.downloads import views as downloads
from models_app.hub import repository_views
from models_app.hub import views as hub

app_name = "models"
urlpatterns = [
    path("", views.models_list, name="list"),
    path("discover/", hub.discover, name="discover"),
    path("discover/token", hub.save_token, name="hub_token"),
    path("discover/<str:owner>/<str:name>/", repository_views.repository, name="repository"),
    path("discover/<str:owner>/<str:name>/variants", repository_views.variants, name="variants"),
    path("discover/<str:owner>/<str:name>/card", repository_views.card, name="card"),
    path("downloads/", downloads.downloads, name="downloads"),
    path("downloads/start", downloads.start, name="start_download"),
    path("downloads/address", downloads.start_address, name="start_address"),
    path("downloads/<uuid:download_id>/pause", downloads.pause, name="pause_download"),
    path("downloads/<uuid:download_id>/go-on", downloads.go_on, name="resume_download"),
    path("downloads/<uuid:download_id>/cancel", downloads.cancel, name="cancel_download"),
    path("downloads/<uuid:download_id>/clear", downloads.clear, name="clear_download"),
    path("uploads/", upload_views.begin, name="begin_upload"),
    path("uploads/<uuid:download_id>", upload_views.append, name="append_upload"),
    path("rescan", views.rescan, name="rescan"),
    path("<uuid:entry_id>/", views.entry, name="entry"),
    path("<uuid:entry_id>/load", views.load, name="load"),
    path("<uuid:entry_id>/unload", views.unload, name="unload"),
    path("<uuid:entry_id>/settings/", settings_views.model_settings, name="settings"),
    path("<uuid:entry_id>/settings/estimate", settings_views.estimate, name="estimate"),
    path("<uuid:entry_id>/settings/reset", settings_views.reset, name="reset_settings"),
    path("<uuid:entry_id>/default", views.make_default, name="make_default"),
    path("<uuid:entry_id>/delete", views.delete, name="delete"),
    path("<uuid:entry_id>/undelete", views.undelete, name="undelete"),
    path("<uuid:entry_id>/forget", views.forget, name="forget"),
]
