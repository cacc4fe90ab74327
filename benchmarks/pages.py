"""What the pages with lists cost as the lists grow: time and queries, as ratios."""

from __future__ import annotations

from functools import partial

from benchmarks.django_site import inference_service, set_up

set_up()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from accounts.models import User  # noqa: E402
from benchmarks.measuring import median_seconds, print_ratios  # noqa: E402
from chat.models import Conversation, Message  # noqa: E402

HOST = f"127.0.0.1:{settings.CONFIGURATION.port}"
TURNS = "The quick brown **fox** jumps over the `lazy` dog.\n\n- one\n- two\n"


def page(client: Client, path: str) -> None:
    response = client.get(path, headers={"host": HOST})
    assert response.status_code == 200, response.status_code


def measured(client: Client, path: str, title: str) -> dict[str, float]:
    seconds = median_seconds(partial(page, client, path))
    with CaptureQueriesContext(connection) as queries:
        page(client, path)
    return {f"{title} ({len(queries)} queries)": seconds}


def add_conversations(owner: User, number: int) -> None:
    Conversation.objects.bulk_create(
        Conversation(owner=owner, title=f"Chat {index}") for index in range(number)
    )


def add_messages(conversation: Conversation, number: int) -> None:
    for index in range(number):
        role = Message.Role.ASSISTANT if index % 2 else Message.Role.USER
        conversation.leaf = Message.objects.create(
            conversation=conversation, parent=conversation.leaf, role=role, text=TURNS
        )
    conversation.save()


def add_models(number: int) -> None:
    settings.MODEL_DIRS[0].mkdir(parents=True, exist_ok=True)
    for index in range(number):
        (settings.MODEL_DIRS[0] / f"{number}-{index}.gguf").write_text("Only text.")


def main() -> None:
    owner = User.objects.create_superuser("ada", password="correct horse battery")
    client = Client()
    client.force_login(owner)

    sidebar: dict[str, float] = {}
    for number in (10, 990, 4000):
        add_conversations(owner, number)
        total = Conversation.objects.count()
        sidebar |= measured(client, "/", f"{total} chats in the sidebar")
    print_ratios("The chat's first page", sidebar)

    conversation = Conversation.objects.create(owner=owner, title="Long")
    transcript: dict[str, float] = {}
    for number in (10, 90, 300):
        add_messages(conversation, number)
        total = conversation.messages.count()
        transcript |= measured(client, f"/c/{conversation.pk}/", f"{total} messages")
    print_ratios("A conversation", transcript)

    models: dict[str, float] = {}
    for number in (10, 990):
        add_models(number)
        models |= measured(client, "/models/", f"{number} more model files")
    print_ratios("The list of models", models)


if __name__ == "__main__":
    with inference_service():
        main()
