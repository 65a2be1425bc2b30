// Show new messages as they are sent. Without this script, loading the page again shows the same.
"use strict";
for (const outbox of document.querySelectorAll("[data-outbox]")) {
  let shown = null;
  setInterval(async () => {
    if (document.hidden || outbox.contains(document.activeElement)) return;
    try {
      const answer = await fetch(outbox.dataset.outbox);
      const found = answer.ok ? await answer.text() : shown;
      if (found !== shown) outbox.innerHTML = shown = found;
    } catch { /* the demo has stopped, or starts again */ }
  }, 2000);
}
