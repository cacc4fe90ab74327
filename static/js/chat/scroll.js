// Following the text as it grows. The latch knows directions, not distances: any move of the reader
// upwards ends following at once, and only the very bottom, or the button, begins it again.
import { PAGE_CHANGED, SENT } from "./events.js";

const AT_BOTTOM = 8;
let follow = true;
let hasNews = false;
let lastTop = 0;
let frame = 0;
let touchAt = 0;
let observed = null;
let ours = -1;

document.addEventListener("wheel", (event) => {
  if (event.deltaY < 0 && scroller()?.contains(event.target)) letGo();
}, { passive: true });

document.addEventListener("touchstart", (event) => {
  touchAt = event.touches[0].clientY;
}, { passive: true });

document.addEventListener("touchmove", (event) => {
  const at = event.touches[0].clientY;
  if (at > touchAt && scroller()?.contains(event.target)) letGo();
  touchAt = at;
}, { passive: true });

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("textarea, input, select, [contenteditable]");
  if (!isTyping && ["PageUp", "ArrowUp", "Home"].includes(event.key)) letGo();
});

// Scroll events do not bubble, but they can be caught on their way down.
document.addEventListener("scroll", (event) => {
  const element = scroller();
  if (event.target !== element) return;
  const top = element.scrollTop;
  const isOurs = Math.abs(top - ours) < 1;
  if (!isOurs && top < lastTop && !isAtBottom(element)) letGo();
  else if (!isOurs && top > lastTop && isAtBottom(element)) takeUp();
  lastTop = top;
}, { capture: true, passive: true });

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-latest]")) takeUp();
});

document.addEventListener(SENT, takeUp);
document.addEventListener(PAGE_CHANGED, watch);
document.addEventListener("htmx:load", watch);
watch();

function scroller() {
  return document.querySelector("[data-scroller]");
}

function isAtBottom(element) {
  return element.scrollHeight - element.clientHeight - element.scrollTop <= AT_BOTTOM;
}

function letGo() {
  const element = scroller();
  if (!element || element.scrollHeight <= element.clientHeight) return;
  follow = false;
  showButton();
}

function takeUp() {
  follow = true;
  hasNews = false;
  toBottomSoon();
  showButton();
}

// A conversation that opens begins at its end, and following it.
function watch() {
  const element = scroller();
  if (!element || element === observed) return;
  observed = element;
  lastTop = 0;
  takeUp();
  new MutationObserver(grown).observe(element, {
    childList: true, subtree: true, characterData: true,
  });
  // What grows without a change of the tree: the window, a font, the composer beneath.
  new ResizeObserver(() => { if (follow) toBottomSoon(); }).observe(element);
}

function grown() {
  if (follow) toBottomSoon();
  else hasNews = true;
  showButton();
}

function toBottomSoon() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    const element = scroller();
    if (!element || !follow || isSelecting(element)) return;
    element.scrollTop = element.scrollHeight;
    ours = element.scrollTop;
    lastTop = ours;
  });
}

// Text that somebody is marking must not run away.
function isSelecting(element) {
  const selection = document.getSelection();
  return Boolean(selection && !selection.isCollapsed && element.contains(selection.anchorNode));
}

function showButton() {
  const button = document.querySelector("[data-latest]");
  if (!button) return;
  button.hidden = follow;
  button.toggleAttribute("data-news", hasNews && !follow);
}
