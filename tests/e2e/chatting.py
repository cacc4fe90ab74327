"""What a person does on the chat page, in the words of the page."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

ANSWER_SECONDS = 60_000


def choose_model(page: Page, name: str) -> None:
    page.get_by_role("button", name="Model:").click()
    page.get_by_role("menuitemradio", name=name).click()


def send(page: Page, prompt: str, *, model: str | None = None) -> None:
    if model:
        choose_model(page, model)
    page.get_by_label("Message", exact=True).fill(prompt)
    page.get_by_role("button", name="Send").click()


def answers(page: Page) -> Locator:
    return page.locator("article[data-role=assistant]")


def last_answer(page: Page) -> Locator:
    return answers(page).last


def text_of(answer: Locator) -> Locator:
    """The finished blocks; while streaming, the open block stands beside them."""
    return answer.locator("[id$='-text']")


def wait_for_state(answer: Locator, state: str) -> None:
    expect(answer).to_have_attribute("data-state", state, timeout=ANSWER_SECONDS)


def wait_until_streaming(page: Page) -> Locator:
    answer = last_answer(page)
    wait_for_state(answer, "streaming")
    expect(answer).to_contain_text("Paragraph 2:", timeout=ANSWER_SECONDS)
    return answer


def wait_until_done(page: Page) -> Locator:
    answer = last_answer(page)
    wait_for_state(answer, "done")
    return answer


def conversation_path(page: Page) -> str:
    page.wait_for_url("**/c/**")
    return page.url
