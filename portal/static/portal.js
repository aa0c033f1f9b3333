// Makes pages live where there is JavaScript; without it, buttons and reloads do the same.
"use strict";

const LOOK_AGAIN_MS = 1000;
const TYPED_MS = 250;
const CHANGED_MS = 900;
const BUSY_MS = 2000;
const MOST_TRIES = 30;

function later(work, milliseconds) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), milliseconds);
  };
}

async function fetchText(address, options) {
  const answer = await fetch(address, { credentials: "same-origin", ...options });
  if (!answer.ok) throw Object.assign(new Error(String(answer.status)), { status: answer.status });
  return answer.text();
}

// The server escapes what it puts into a part of a page; it is read as a document, in which no script runs.
function partOf(text) {
  return new DOMParser().parseFromString(text, "text/html").body.firstElementChild;
}

function watchProgress(box) {
  const look = async () => {
    try {
      const part = partOf(await fetchText(box.dataset.progress));
      if (part.dataset.over === "yes") {
        location.reload();
        return;
      }
      // Only what changed is said aloud.
      if (part.textContent !== box.textContent) box.replaceChildren(part);
    } catch (error) {
      // Signed out, or the session is no longer one's own: the page itself says so.
      if ([401, 403, 404].includes(error.status)) {
        location.reload();
        return;
      }
      // The server may be starting again: the work goes on without it.
    }
    setTimeout(look, LOOK_AGAIN_MS);
  };
  setTimeout(look, LOOK_AGAIN_MS);
}

function watchDownload(form) {
  const query = () => {
    const said = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (name !== "csrf_token" && !name.startsWith("q_") && value) said.append(name, value);
    }
    return said;
  };
  let asked = 0;
  const count = later(async () => {
    const mine = ++asked;
    // Back and reload then lead to what was chosen.
    history.replaceState(null, "", `?${query()}`);
    try {
      const part = partOf(await fetchText(`${form.dataset.count}?${query()}`));
      const place = document.getElementById("count");
      if (mine === asked) {
        place.className = part.className;
        place.textContent = part.textContent;
      }
    } catch {
      // The count stays; the button asks again.
    }
  }, TYPED_MS);
  form.addEventListener("change", (event) => {
    const box = event.target;
    const group = box.closest("[data-kind]");
    if (box.type === "checkbox" && group && box.checked && box.closest(".matches")) {
      group.querySelector(".chosen").append(box.closest("label"));
      box.focus();
    }
    if (box.type !== "search") count();
  });
  for (const group of form.querySelectorAll("[data-kind]")) {
    const input = group.querySelector('input[type="search"]');
    const search = later(async () => {
      const said = new URLSearchParams({ kind: group.dataset.kind, q: input.value });
      for (const box of group.querySelectorAll(".chosen input:checked")) said.append("chosen", box.value);
      try {
        group.querySelector(".matches").replaceWith(partOf(await fetchText(`${form.dataset.matches}?${said}`)));
      } catch {
        // The button beside it searches too.
      }
    }, TYPED_MS);
    input.addEventListener("input", search);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        search();
      }
    });
  }
  document.getElementById("update").hidden = true;
}

function watchAttestations(form) {
  const said = document.getElementById("preview-said");
  const place = document.getElementById("preview-picture");
  let isAsked = false;
  let isMaking = false;
  let tries = 0;
  const preview = async () => {
    // One at a time, and then what the form says by then.
    isAsked = true;
    if (isMaking) return;
    isMaking = true;
    while (isAsked) {
      isAsked = false;
      await make();
    }
    isMaking = false;
  };
  const make = async () => {
    const sent = new FormData(form);
    sent.set("action", "live");
    said.className = "";
    said.textContent = form.dataset.making;
    try {
      // form.action would be the buttons of that name.
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body: sent, credentials: "same-origin" });
      const made = await answer.json();
      if (isAsked) return;
      if (answer.status === 429 && tries++ < MOST_TRIES) {
        // The preview of the page before this one is still being made.
        await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
        isAsked = true;
        return;
      }
      tries = 0;
      if (!answer.ok) {
        said.className = "wrong";
        said.textContent = made.error;
        return;
      }
      const name = form.elements.learner.selectedOptions[0].textContent;
      const picture = place.querySelector("img");
      picture.src = made.picture;
      picture.alt = `${document.getElementById("preview").textContent}: ${name}`;
      place.querySelector("a").href = made.pdf;
      place.hidden = false;
      said.textContent = form.dataset.ready;
      const differing = document.getElementById("differing");
      differing.textContent = made.differing;
      differing.hidden = !made.differing;
      form.elements.seen.value = made.seen;
    } catch {
      // No answer of the form's own: signed out, a full disk, no connection.
      if (isAsked) return;
      said.className = "wrong";
      said.textContent = form.dataset.failed;
    }
  };
  form.addEventListener("change", later(preview, TYPED_MS));
  form.addEventListener("input", later(preview, CHANGED_MS));
  // Not before the browser has put back what was typed here, when one comes back to this page.
  addEventListener("pageshow", preview);
}

for (const box of document.querySelectorAll("[data-progress]")) watchProgress(box);
const download = document.getElementById("download-form");
if (download) watchDownload(download);
const attestations = document.getElementById("attestations-form");
if (attestations) watchAttestations(attestations);
