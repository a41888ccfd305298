// Puts fresh figures on the page every few seconds while somebody looks at it.
const EVERY_MS = 3000;
const figures = document.getElementById("figures");
const state = document.getElementById("state");

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(figures.dataset.from, { signal: AbortSignal.timeout(10000) });
    if (!answer.ok && answer.status !== 503) throw new Error(`answer ${answer.status}`);
    figures.innerHTML = await answer.text();
    state.textContent = answer.ok ? `Refreshed every ${EVERY_MS / 1000} s.` : "Trying again.";
  } catch (error) {
    state.textContent = `No answer (${error.message}); what stands here is old. Trying again.`;
  }
}

async function keepFresh() {
  await refresh();
  setTimeout(keepFresh, EVERY_MS);
}

document.addEventListener("visibilitychange", refresh);
keepFresh();
