// Times of messages in the reader's own time zone.
import { PAGE_CHANGED } from "./events.js";

const format = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

document.addEventListener(PAGE_CHANGED, localise);
document.addEventListener("htmx:load", localise);
localise();

function localise() {
  for (const time of document.querySelectorAll("#messages time:not([data-local])")) {
    time.dataset.local = "";
    time.textContent = format.format(new Date(time.dateTime));
  }
}
