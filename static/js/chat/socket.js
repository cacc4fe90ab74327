// The page's end of the socket: says what it shows, acknowledges frames, and tells when the line
// is down. htmx swaps the frames and reconnects by itself after an interruption.
import { PAGE_CHANGED, tell } from "./events.js";

const ACK_MS = 100;
const SIGNED_OUT = 4001;
const GONE = 4003;
const PATIENCE_MS = 1000;
const RETRIED_BY_HTMX = [1006, 1011, 1012, 1013];

let line = null;
let numTaken = 0;
let ackTimer = 0;
let bannerTimer = 0;

document.addEventListener("htmx:wsOpen", (event) => {
  line = event.detail.socketWrapper;
  numTaken = 0;
  clearTimeout(ackTimer);
  ackTimer = 0;
  const version = document.getElementById("transcript-version")?.getAttribute("value") ?? "";
  line.sendImmediately(JSON.stringify({ version }));
  showBanner("");
});

document.addEventListener("htmx:wsAfterMessage", () => {
  numTaken += 1;
  ackTimer ||= setTimeout(acknowledge, ACK_MS);
  tell(PAGE_CHANGED);
});

document.addEventListener("htmx:wsClose", (event) => {
  clearTimeout(ackTimer);
  ackTimer = 0;
  const { code } = event.detail.event;
  if (!event.target.isConnected || !document.querySelector("[data-conversation]")) return;
  line = event.detail.socketWrapper;
  if (code === SIGNED_OUT) location.reload();
  else if (code === GONE) showBanner("This chat is no longer there.");
  else if (RETRIED_BY_HTMX.includes(code)) showBannerLater();
  else showBanner("The connection was closed. The answer goes on without it.", true);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-reconnect]")) reconnect();
});

// A tab that slept in the background comes back by itself.
document.addEventListener("visibilitychange", () => {
  const button = document.querySelector("[data-reconnect]");
  if (!document.hidden && button && !button.hidden) reconnect();
});

function acknowledge() {
  ackTimer = 0;
  line?.sendImmediately(JSON.stringify({ taken: numTaken }));
}

function reconnect() {
  showBanner("Reconnecting…");
  line?.reconnect();
}

// Most interruptions are over before anybody needs to read of them.
function showBannerLater() {
  bannerTimer ||= setTimeout(() => showBanner("Reconnecting…"), PATIENCE_MS);
}

function showBanner(text, canReconnect = false) {
  clearTimeout(bannerTimer);
  bannerTimer = 0;
  const banner = document.getElementById("connection");
  if (!banner) return;
  banner.hidden = !text;
  banner.querySelector("[data-connection-text]").textContent = text;
  banner.querySelector("[data-reconnect]").hidden = !canReconnect;
}
