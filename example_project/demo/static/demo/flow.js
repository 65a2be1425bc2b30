// Light up the steps of the picture as they happen. Without this script, loading the page again shows the same.
"use strict";
for (const picture of document.querySelectorAll("[data-flow]")) {
  const show = ({taken, latest}) => {
    for (const step of picture.querySelectorAll("[data-step]")) {
      const found = taken[step.dataset.step];
      step.classList.toggle("taken", Boolean(found));
      step.classList.toggle("latest", step.dataset.step === latest);
      const when = step.querySelector(".when-taken");
      if (when) {
        const text = found ? found.at + (found.times > 1 ? ` · ${found.times}×` : "") : when.dataset.none;
        if (when.textContent !== text) when.textContent = text;
      }
    }
  };
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(picture.dataset.flow, {headers: {Accept: "application/json"}});
      if (answer.ok) show(await answer.json());
    } catch { /* the demo has stopped, or starts again */ }
  };
  setInterval(look, 1000);
  document.addEventListener("visibilitychange", look);
}
