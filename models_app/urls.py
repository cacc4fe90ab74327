from __future__ import annotations

from django.urls import path

from models_app import engine_views, folder_views, grants, settings_views, status_views, views
from models_app.benchmarks import views as benchmarks
from models_app.downloads import upload_views
from models_app.downloads import views as downloads
from models_app.hub import repository_views
from models_app.hub import views as hub
from models_app.servers import views as servers

app_name = "models"
urlpatterns = [
    path("", views.models_list, name="list"),
    path("discover/", hub.discover, name="discover"),
    path("discover/token", hub.save_token, name="hub_token"),
    path("discover/<str:owner>/<str:name>/", repository_views.repository, name="repository"),
    path("discover/<str:owner>/<str:name>/variants", repository_views.variants, name="variants"),
    path("discover/<str:owner>/<str:name>/card", repository_views.card, name="card"),
    path("downloads/", downloads.downloads, name="downloads"),
    path("downloads/tray", downloads.tray, name="tray"),
    path("downloads/start", downloads.start, name="start_download"),
    path("downloads/address", downloads.start_address, name="start_address"),
    path("downloads/<uuid:download_id>/pause", downloads.pause, name="pause_download"),
    path("downloads/<uuid:download_id>/go-on", downloads.go_on, name="resume_download"),
    path("downloads/<uuid:download_id>/cancel", downloads.cancel, name="cancel_download"),
    path("downloads/<uuid:download_id>/clear", downloads.clear, name="clear_download"),
    path("uploads/", upload_views.begin, name="begin_upload"),
    path("uploads/<uuid:download_id>", upload_views.append, name="append_upload"),
    path("folders/", folder_views.use, name="use_folder"),
    path("folders/<int:folder_id>/forget", folder_views.forget, name="forget_folder"),
    path("engines/", engine_views.engines, name="engines"),
    path("servers/", servers.servers, name="servers"),
    path("servers/<uuid:server_id>/", servers.server, name="server"),
    path("servers/<uuid:server_id>/models", servers.choose, name="choose_of_server"),
    path("servers/<uuid:server_id>/change", servers.change, name="change_server"),
    path("servers/<uuid:server_id>/remove", servers.remove, name="remove_server"),
    path("now", status_views.now, name="now"),
    path("rescan", views.rescan, name="rescan"),
    path("<uuid:entry_id>/", views.entry, name="entry"),
    path("<uuid:entry_id>/status/", status_views.status, name="status"),
    path("<uuid:entry_id>/benchmark/", benchmarks.benchmark, name="benchmark"),
    path("<uuid:entry_id>/benchmark/start", benchmarks.start, name="start_benchmark"),
    path("benchmark/<uuid:benchmark_id>/cancel", benchmarks.cancel, name="cancel_benchmark"),
    path("<uuid:entry_id>/load", views.load, name="load"),
    path("<uuid:entry_id>/unload", views.unload, name="unload"),
    path("<uuid:entry_id>/settings/", settings_views.model_settings, name="settings"),
    path("<uuid:entry_id>/settings/estimate", settings_views.estimate, name="estimate"),
    path("<uuid:entry_id>/settings/reset", settings_views.reset, name="reset_settings"),
    path("<uuid:entry_id>/groups", grants.set_groups, name="groups"),
    path("<uuid:entry_id>/default", views.make_default, name="make_default"),
    path("<uuid:entry_id>/delete", views.delete, name="delete"),
    path("<uuid:entry_id>/undelete", views.undelete, name="undelete"),
    path("<uuid:entry_id>/forget", views.forget, name="forget"),
]
