// Copies and prints the recovery codes. Without it the page has its link to download them.
"use strict";

const copy = document.querySelector("[data-auth0-copy]");
const print = document.querySelector("[data-auth0-print]");

print.hidden = false;
print.addEventListener("click", () => window.print());

// Browsers have no clipboard for pages that came over plain http.
if (navigator.clipboard) {
  copy.hidden = false;
  copy.setAttribute("aria-live", "polite");
  copy.addEventListener("click", async () => {
    const codes = document.querySelectorAll("[data-auth0-code]");
    await navigator.clipboard.writeText(Array.from(codes, (code) => code.dataset.auth0Code).join("\n"));
    copy.textContent = copy.dataset.auth0Done;
  });
}
