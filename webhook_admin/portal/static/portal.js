// The pages work without this. It shows times in the reader's zone, keeps what is open up to date, and copies.
"use strict";

const FORMATS = {
  hour: { hour: "2-digit", minute: "2-digit" },
  second: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" },
  millisecond: {
    month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3,
  },
};

function pad(number) {
  return String(number).padStart(2, "0");
}

// Times in the reader's zone, with UTC beside them.
function showTimes(root) {
  for (const time of root.querySelectorAll("time[data-format], text[data-time]")) {
    const moment = new Date(time.dateTime || time.dataset.time);
    if (moment.getTimezoneOffset() === 0) continue;
    const isThisYear = moment.getFullYear() === new Date().getFullYear();
    const year = isThisYear || time.dataset.format === "hour" ? {} : { year: "numeric" };
    const options = { hourCycle: "h23", ...FORMATS[time.dataset.format], ...year };
    const local = new Intl.DateTimeFormat(undefined, options).format(moment);
    if (time.dataset.format === "hour") {
      time.textContent = local;
      continue;
    }
    const utc = document.createElement("span");
    utc.className = "utc";
    utc.textContent = moment.getDate() === moment.getUTCDate() ? time.textContent.slice(11) : time.textContent;
    time.replaceChildren(local, " ", utc);
  }
}

// Fields for date and time are in UTC; here they are in the reader's zone, and are sent with it.
function useZone(form) {
  const fields = [...form.querySelectorAll("input[type=datetime-local]")];
  for (const field of fields) {
    if (!field.value) continue;
    const m = new Date(`${field.value}Z`);
    field.value = `${m.getFullYear()}-${pad(m.getMonth() + 1)}-${pad(m.getDate())}T${pad(m.getHours())}:${pad(m.getMinutes())}:${pad(m.getSeconds())}`;
  }
  for (const label of form.querySelectorAll("[data-zone]")) label.textContent = "";
  form.addEventListener("formdata", (event) => {
    for (const field of fields) {
      if (field.value) event.formData.set(field.name, new Date(field.value).toISOString());
    }
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
}

// What is live is fetched again: every 3 s while somebody is there, every minute otherwise, never while it is hidden.
const ACTIVE_FOR = 60_000;
const SOON = 3_000;
const LATER = 60_000;
let lastSign = Date.now();
let lastHtml = null;
let timer = null;

function schedule() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, Date.now() - lastSign < ACTIVE_FOR ? SOON : LATER);
}

async function refresh() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.redirected) return location.reload();
    if (answer.ok) swap(await answer.text());
  } catch {
    // The service is away for a moment: the page stays as it is.
  }
  schedule();
}

function swap(html) {
  const selection = document.getSelection();
  const fetched = new DOMParser().parseFromString(html, "text/html");
  const parts = [...fetched.querySelectorAll("[data-live]")];
  const key = parts.map((part) => part.outerHTML).join();
  if (key === lastHtml) return;
  for (const part of parts) {
    const shown = document.getElementById(part.id);
    // A selection would be lost: the reader comes first.
    if (!shown || (!selection.isCollapsed && shown.contains(selection.anchorNode))) return;
    keepingPlace(shown, () => replace(shown, part));
  }
  lastHtml = key;
}

function replace(shown, part) {
  const focused = shown.contains(document.activeElement) ? document.activeElement : null;
  const open = [...shown.querySelectorAll("details[open]")].map((details) => details.id);
  shown.replaceChildren(...part.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) find(shown, focused)?.focus({ preventScroll: true });
  showTimes(shown);
}

// The element that has taken another's place.
function find(root, gone) {
  if (gone.id) return document.getElementById(gone.id);
  const same = (each) => each.textContent === gone.textContent && each.getAttribute("href") === gone.getAttribute("href");
  return [...root.querySelectorAll(gone.localName)].find(same);
}

// The row at the top of the window stays there when others come in above it.
function keepingPlace(shown, change) {
  const rows = scrollY > 0 ? [...shown.querySelectorAll("tr[id]")] : [];
  const row = rows.find((each) => each.getBoundingClientRect().top >= 0);
  const before = row?.getBoundingClientRect().top;
  change();
  const after = row && document.getElementById(row.id)?.getBoundingClientRect().top;
  if (after !== undefined && after !== before) scrollBy(0, after - before);
}

// Where the browser does not let a page write to the clipboard (plain HTTP), the text is selected instead.
async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  source.closest("details")?.setAttribute("open", "");
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    document.getSelection().selectAllChildren(source);
    button.textContent = "Selected: press Ctrl C";
  }
}

showTimes(document);
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
document.querySelectorAll("form[data-times]").forEach(useZone);
if (document.querySelector("[data-live]")) {
  for (const sign of ["pointermove", "keydown", "scroll"]) {
    addEventListener(sign, () => { lastSign = Date.now(); }, { passive: true });
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
  schedule();
}

// A choice is shown at once; without this, a button asks for it. Of several answers, the latest choice's counts.
let choices = 0;

async function preview(form) {
  const choice = ++choices;
  const fields = new URLSearchParams(new FormData(form));
  try {
    const answer = await fetch(`${form.action}?${fields}`, { headers: { Accept: "text/html" } });
    const fetched = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = fetched.getElementById(form.dataset.preview);
    if (answer.ok && part && choice === choices) document.getElementById(part.id).replaceChildren(...part.childNodes);
  } catch {
    // The service is away for a moment: the button still works.
  }
}

for (const form of document.querySelectorAll("form[data-preview]")) {
  form.addEventListener("change", () => preview(form));
}
for (const each of document.querySelectorAll("[data-without-script]")) each.hidden = true;
document.getElementById("verdict")?.focus();
