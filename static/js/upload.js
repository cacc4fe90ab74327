// Uploads GGUF files in pieces, one file after the other. The server says from which byte on; a lost connection
// is tried again, and after a reload the same file, chosen once more, goes on where it was. The list of
// downloads shows how far it is.
const RETRY_SECONDS = [1, 2, 4, 8, 15, 30, 30];
const LOST = "The connection is lost. Choose the same file again to go on.";
const SIGNED_OUT = "You are signed out. Sign in, then choose the same file again.";
const UNREADABLE = "The browser can no longer read this file. Choose it again.";

const zone = document.querySelector("[data-upload]");
const input = zone.querySelector("input[type=file]");
const status = zone.querySelector("[data-upload-status]");
const checksum = zone.querySelector("#upload-sha256");
const waiting = [];
let isBusy = false;

zone.querySelector("[data-upload-scriptless]").hidden = true;
zone.querySelector("[data-upload-ready]").hidden = false;
zone.querySelector("[data-upload-choose]").addEventListener("click", () => input.click());
input.addEventListener("change", () => {
  add(input.files);
  input.value = "";
});

// A file that is dropped beside the zone must not replace the page.
for (const type of ["dragover", "drop"]) {
  document.addEventListener(type, (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
}
zone.addEventListener("dragover", () => zone.toggleAttribute("data-over", true));
zone.addEventListener("dragleave", (event) => {
  if (!zone.contains(event.relatedTarget)) zone.removeAttribute("data-over");
});
zone.addEventListener("drop", (event) => {
  zone.removeAttribute("data-over");
  add(event.dataTransfer.files);
});

addEventListener("beforeunload", (event) => {
  if (isBusy) event.preventDefault();
});

class Ended extends Error {}

async function add(files) {
  waiting.push(...files);
  if (isBusy) return;
  isBusy = true;
  while (waiting.length) {
    const file = waiting.shift();
    try {
      await upload(file);
      say("");
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
      say(`${file.name}: ${error.message}`, "bad");
      waiting.length = 0;
    } finally {
      showList();
    }
  }
  isBusy = false;
}

async function upload(file) {
  say(`Uploading ${file.name}. Keep this page open.`);
  const facts = { name: file.name, size: file.size, modified: file.lastModified, sha256: checksum.value };
  const begun = await answered(() => post(zone.dataset.upload, new URLSearchParams(facts)));
  showList();
  let { offset, is_whole: isWhole } = begun;
  while (!isWhole) {
    const piece = await read(file, offset, begun.chunk);
    const address = `${begun.address}?offset=${offset}`;
    const before = offset;
    ({ offset, is_whole: isWhole } = await answered(() => post(address, piece)));
    if (offset === before && !isWhole) await pause(1);
  }
  checksum.value = "";
}

// 409 with an offset says where to go on; whatever may pass is tried again.
async function answered(ask) {
  for (const seconds of [...RETRY_SECONDS, 0]) {
    const response = await ask().catch(() => null);
    if (response?.type === "opaqueredirect") throw new Ended(SIGNED_OUT);
    const answer = await response?.json().catch(() => null);
    if (answer && (response.ok || "offset" in answer)) return answer;
    if (response && response.status < 500) throw new Ended(answer?.detail ?? SIGNED_OUT);
    if (response?.status === 507) throw new Ended(answer?.detail ?? LOST);
    await pause(seconds);
  }
  throw new Ended(LOST);
}

function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

function post(address, body) {
  const headers = { "x-csrftoken": JSON.parse(document.body.getAttribute("hx-headers"))["x-csrftoken"] };
  if (body instanceof ArrayBuffer) headers["content-type"] = "application/octet-stream";
  return fetch(address, { method: "POST", body, headers, redirect: "manual" });
}

async function read(file, offset, length) {
  try {
    return await file.slice(offset, offset + length).arrayBuffer();
  } catch {
    throw new Ended(UNREADABLE);
  }
}

function say(text, kind = "") {
  status.textContent = text;
  status.hidden = !text;
  status.dataset.kind = kind;
}

// It asks again by itself while something is under way.
function showList() {
  htmx.ajax("GET", location.pathname, { target: "#downloads", swap: "morph" });
}
