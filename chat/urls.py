from __future__ import annotations

from django.urls import path

from chat import settings_views, sharing, views

app_name = "chat"
urlpatterns = [
    path("", views.home, name="home"),
    path("c/new/", views.start, name="start"),
    path("chats/", views.chats, name="chats"),
    path("chats/waiting/", views.waiting_for_model, name="waiting_for_model"),
    path("chats/model/", views.new_chat_model, name="new_chat_model"),
    path("model-state/", views.model_state, name="model_state"),
    path("c/<uuid:conversation_id>/", views.conversation, name="conversation"),
    path("c/<uuid:conversation_id>/send/", views.send, name="send"),
    path("c/<uuid:conversation_id>/stop/", views.stop, name="stop"),
    path("c/<uuid:conversation_id>/draft/", views.draft, name="draft"),
    path("c/<uuid:conversation_id>/shorten/", views.shorten, name="shorten"),
    path("c/<uuid:conversation_id>/model/", views.choose_model, name="choose_model"),
    path("c/<uuid:conversation_id>/settings/", settings_views.chat_settings, name="settings"),
    path("c/new/settings/", settings_views.new_chat_settings, name="new_settings"),
    path("chats/settings/", settings_views.own_settings, name="own_settings"),
    path("c/<uuid:conversation_id>/rename/", views.rename, name="rename"),
    path("c/<uuid:conversation_id>/share/", sharing.share, name="share"),
    path("c/<uuid:conversation_id>/unshare/", sharing.unshare, name="unshare"),
    path("shared/", sharing.shared_chats, name="shared_chats"),
    path("shared/<uuid:share_id>/", sharing.shared_chat, name="shared_chat"),
    path("c/<uuid:conversation_id>/delete/", views.delete, name="delete"),
    path("c/<uuid:conversation_id>/undelete/", views.undelete, name="undelete"),
    path("c/<uuid:conversation_id>/m/<uuid:message_id>/retry/", views.retry, name="retry"),
    path("c/<uuid:conversation_id>/m/<uuid:message_id>/source/", views.source, name="source"),
]
