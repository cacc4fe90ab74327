"""The ledger, its pages, and the quotas that are set against it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import usage
from accounts.models import Quota, UsageRecord, User
from accounts.usage_chart import HEIGHT, WIDTH, chart_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client


def use(user: User, tokens: int, *, minutes_ago: int = 0, model: str = "plain") -> None:
    usage.record(user_id=user.pk, model_name=model, completion_tokens=tokens)
    at = timezone.now() - timedelta(minutes=minutes_ago)
    UsageRecord.objects.filter(pk=UsageRecord.objects.latest("pk").pk).update(created_at=at)


def is_refused(user: User) -> bool:
    try:
        usage.refuse_if_spent(user)
    except usage.QuotaSpent:
        return True
    return False


@pytest.mark.parametrize(("tokens", "refused"), [(99, False), (100, True), (10_000, True)])
def test_a_quota_of_tokens_is_spent_at_its_number(bob, tokens, refused):
    Quota.objects.create(user=bob, hours=1, max_tokens=100)
    use(bob, tokens)

    assert is_refused(bob) == refused


def test_the_window_slides_and_the_sentence_says_when_it_is_free(bob):
    Quota.objects.create(hours=1, max_tokens=100)
    use(bob, 80, minutes_ago=50)
    use(bob, 60, minutes_ago=20)

    with pytest.raises(usage.QuotaSpent, match=r"140 of the 100 tokens .* in 10 min") as spent:
        usage.refuse_if_spent(bob)

    left = spent.value.free_at - timezone.now()
    assert timedelta(minutes=9) < left < timedelta(minutes=11)


def test_what_left_the_window_counts_no_more(bob):
    Quota.objects.create(user=bob, hours=1, max_requests=1)
    use(bob, 1, minutes_ago=61)

    assert not is_refused(bob)


def test_a_quota_of_a_group_is_each_persons_own(bob):
    group = Group.objects.create(name="Writers")
    Quota.objects.create(group=group, hours=1, max_requests=1)
    grace, linus = User.objects.create_user("grace"), User.objects.create_user("linus")
    group.user_set.add(bob, grace)
    for user in (bob, linus):
        use(user, 1)

    assert [is_refused(user) for user in (bob, grace, linus)] == [True, False, False]


def test_the_tightest_of_several_decides(bob):
    Quota.objects.create(hours=1, max_tokens=1000)
    Quota.objects.create(user=bob, hours=24, max_tokens=10)
    use(bob, 20)

    assert is_refused(bob)


def test_a_quota_of_nothing_refuses_everything(bob):
    Quota.objects.create(user=bob, hours=1, max_requests=0)

    assert is_refused(bob)


def test_nobody_has_a_quota_by_default_and_asking_is_one_query(bob, django_assert_num_queries):
    use(bob, 10**9)

    with django_assert_num_queries(1):
        usage.refuse_if_spent(bob)


def test_a_quota_with_room_is_a_sum_whatever_was_used(bob):
    Quota.objects.create(user=bob, hours=1, max_tokens=1000, max_requests=1000)
    Quota.objects.create(hours=24, max_tokens=1000)
    for tokens in (1, 2, 3):
        use(bob, tokens)

    with CaptureQueriesContext(connection) as asked:
        found = [(one.used, one.unit) for one in usage.standings(bob)]

    assert found == [(6, "tokens"), (3, "requests"), (6, "tokens")]
    of_ledger = [one["sql"] for one in asked if "accounts_usagerecord" in one["sql"]]
    assert [sql.count("SUM(") for sql in of_ledger] == [1, 1]


@pytest.mark.parametrize(("limit", "minutes"), [(3, 10), (2, 30), (1, 50), (0, 60)])
def test_requests_are_free_when_enough_of_the_oldest_have_left(bob, limit, minutes):
    Quota.objects.create(user=bob, hours=1, max_requests=limit)
    for minutes_ago in (10, 50, 30):
        use(bob, 5, minutes_ago=minutes_ago)

    with pytest.raises(usage.QuotaSpent) as spent:
        usage.refuse_if_spent(bob)

    left = spent.value.free_at - timezone.now()
    assert abs(left - timedelta(minutes=minutes)) < timedelta(minutes=1)


def test_what_runs_counts_as_of_now(bob, monkeypatch):
    monkeypatch.setattr(usage, "_running", [lambda user: 2 if user == bob else 0])
    Quota.objects.create(hours=1, max_requests=3)
    use(bob, 5, minutes_ago=50)
    use(User.objects.create_user("grace"), 5)

    with pytest.raises(usage.QuotaSpent, match="3 of the 3 requests") as spent:
        usage.refuse_if_spent(bob)

    assert not is_refused(User.objects.get(username="grace"))
    left = spent.value.free_at - timezone.now()
    assert abs(left - timedelta(minutes=10)) < timedelta(minutes=1)


def test_the_chart_has_a_bar_for_each_day_within_its_frame(bob):
    use(bob, 10)
    use(bob, 1000, minutes_ago=24 * 60 * 3)

    chart = chart_of(usage.by_day(UsageRecord.objects.all()))

    assert len(chart.bars) == 30
    assert sum(bool(bar.height) for bar in chart.bars) == 2
    assert all(0 <= bar.x <= WIDTH and 0 <= bar.y <= HEIGHT for bar in chart.bars)
    assert max(bar.height for bar in chart.bars) == HEIGHT


def test_ones_own_page_shows_the_own_numbers_only(bob, staff):
    use(bob, 4321)
    use(User.objects.get(username="ada"), 98765)
    client = Client()
    client.force_login(bob)

    page = client.get("/usage/").text

    assert "4,321" in page
    assert "98,765" not in page


def test_the_administrators_page_sums_by_person_with_few_queries(
    staff, bob, django_assert_max_num_queries
):
    for number in range(20):
        use(User.objects.create_user(f"person{number}"), 100 + number)

    with django_assert_max_num_queries(13):
        page = staff.get("/usage/all/").text

    assert "person19" in page


def test_a_quota_is_set_and_deleted_on_the_page(staff, bob):
    staff.post("/usage/quotas", {"user": bob.pk, "hours": 24, "max_tokens": 5000})
    quota = Quota.objects.get()
    assert (quota.user, quota.hours, quota.max_tokens, quota.max_requests) == (bob, 24, 5000, None)

    staff.post(f"/usage/quotas/{quota.pk}/delete")
    assert not Quota.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"max_tokens": -1},
        {"max_tokens": 10**15 + 1},
        {"max_tokens": 10**30},
        {"max_tokens": "NaN"},
        {"max_requests": 10**9 + 1},
        {"max_tokens": 1, "hours": 5},
        {"max_tokens": 1, "user": 99},
    ],
)
def test_a_quota_that_makes_no_sense_is_refused(staff, wrong):
    answer = staff.post("/usage/quotas", {"hours": 24, **wrong})

    assert answer.status_code == 422
    assert not Quota.objects.exists()
