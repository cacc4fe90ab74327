from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from accounts import joining, people_views, profile_views, usage_views, views

app_name = "accounts"
urlpatterns: list[URLPattern | URLResolver] = [
    path("setup/", views.setup, name="setup"),
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("join/<str:token>/", joining.join, name="join"),
    path("reset/<str:name>/<str:token>/", joining.reset, name="reset"),
    path("profile/", profile_views.profile, name="profile"),
    path("profile/name", profile_views.change_name, name="change_name"),
    path("profile/password", profile_views.change_password, name="change_password"),
    path("profile/sessions/<str:public_id>/end", profile_views.end_session, name="end_session"),
    path("profile/sign-out", profile_views.sign_out_everywhere, name="sign_out_everywhere"),
    path("usage/", usage_views.own_usage, name="usage"),
    path("usage/all/", usage_views.usage_of_all, name="usage_of_all"),
    path("usage/quotas", usage_views.make_quota, name="make_quota"),
    path("usage/quotas/<int:quota_id>/delete", usage_views.delete_quota, name="delete_quota"),
    path("people/", people_views.people_page, name="people"),
    path("people/invite", people_views.make_invitation, name="invite"),
    path(
        "people/invitations/<uuid:invitation_id>/withdraw",
        people_views.withdraw_invitation,
        name="withdraw_invitation",
    ),
    path("people/groups", people_views.make_group, name="make_group"),
    path("people/groups/<int:group_id>/delete", people_views.delete_group, name="delete_group"),
    path("people/<int:user_id>/", people_views.person_page, name="person"),
    path("people/<int:user_id>/deactivate", people_views.deactivate, name="deactivate"),
    path("people/<int:user_id>/reactivate", people_views.reactivate, name="reactivate"),
    path("people/<int:user_id>/sign-out", people_views.sign_out_person, name="sign_out_person"),
    path("people/<int:user_id>/reset-link", people_views.reset_link, name="reset_link"),
]
