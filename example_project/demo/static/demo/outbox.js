// Show new messages as they are sent. Without this script, loading the page again shows the same.
"use strict";
for (const outbox of document.querySelectorAll("[data-outbox]")) {
  setInterval(async () => {
    if (document.hidden || outbox.contains(document.activeElement)) return;
    try {
      const answer = await fetch(outbox.dataset.outbox);
      if (!answer.ok) return;
      const found = document.createElement("div");
      found.innerHTML = await answer.text();
      // A screen reader tells what is replaced: only what is new.
      if (found.textContent.trim() !== outbox.textContent.trim()) outbox.replaceChildren(...found.childNodes);
    } catch { /* the demo has stopped, or starts again */ }
  }, 2000);
}
