// Menus are popovers. The platform opens, closes and (where it has anchors) places them; here are
// the arrow keys, closing on a choice, aria-expanded, and the place for browsers without anchors.
const GAP = 4;
const EDGE = 8;
const hasAnchors = CSS.supports("position-area: block-end");

document.addEventListener("beforetoggle", (event) => {
  const menu = event.target;
  if (!menu.matches?.(".menu")) return;
  const button = buttonOf(menu);
  button?.setAttribute("aria-expanded", String(event.newState === "open"));
}, true);

document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!menu.matches?.(".menu") || event.newState !== "open") return;
  if (!hasAnchors) place(menu, buttonOf(menu));
}, true);

document.addEventListener("click", (event) => {
  const item = event.target.closest(".menu-item");
  if (item && !item.hasAttribute("popovertarget")) item.closest(".menu")?.hidePopover();
});

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest(".menu") ?? openedBy(event.target);
  if (!menu) return;
  const items = [...menu.querySelectorAll(".menu-item:not(:disabled)")];
  const next = nextIndex(event.key, items.indexOf(event.target), items.length);
  if (next === null) return;
  event.preventDefault();
  items[next].focus();
});

function nextIndex(key, at, count) {
  if (count === 0) return null;
  if (key === "ArrowDown") return (at + 1) % count;
  if (key === "ArrowUp") return at < 0 ? count - 1 : (at - 1 + count) % count;
  if (at >= 0 && key === "Home") return 0;
  if (at >= 0 && key === "End") return count - 1;
  return null;
}

function buttonOf(menu) {
  return document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);
}

function openedBy(element) {
  const id = element.getAttribute?.("popovertarget");
  const menu = id && document.getElementById(id);
  return menu?.matches(".menu:popover-open") ? menu : null;
}

function place(menu, button) {
  if (!button) return;
  const anchor = button.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const below = anchor.bottom + GAP;
  const fitsBelow = below + height <= innerHeight - EDGE;
  const left = Math.min(anchor.left, innerWidth - width - EDGE);
  menu.style.margin = "0";
  menu.style.left = `${Math.max(EDGE, left)}px`;
  menu.style.top = `${Math.max(EDGE, fitsBelow ? below : anchor.top - height - GAP)}px`;
}
