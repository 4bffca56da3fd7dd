// Looks once a second what there is to say, opens the workspace when it is ready and shows the right page when
// another one is due. It only ever reads: nothing here wakes a workspace, whatever a browser does with its tabs.
(() => {
  'use strict';
  const { phase, base } = document.body.dataset;
  const began = Date.now();
  const at = (id) => document.getElementById(id);
  const put = (node, text) => { if (node && node.textContent !== text) node.textContent = text; };
  // A page whose end depends on somebody looks less often, and so does one that nobody sees.
  const pace = () => (phase === 'stopped' || phase === 'attention' ? 5000 : 1000) * (document.hidden ? 10 : 1);
  let timer = 0;
  let failures = 0;
  let denied = 0;

  function show(state) {
    put(at('detail'), state.detail || '');
    if (state.place) put(at('place'), String(state.place));
    const bar = at('bar');
    if (bar) {
      const known = state.progress !== null && state.progress !== undefined;
      bar.classList.toggle('any', !known);
      bar.querySelector('rect').setAttribute('width', known ? `${state.progress * 100}%` : '30%');
      if (known) bar.setAttribute('aria-valuenow', String(Math.round(state.progress * 100)));
      else bar.removeAttribute('aria-valuenow');
    }
    const steps = [...document.querySelectorAll('li')];
    steps.forEach((step, i) => {
      step.className = i + 1 < state.step ? 'done' : i + 1 === state.step ? 'now' : '';
      if (i + 1 === state.step) step.setAttribute('aria-current', 'step');
      else step.removeAttribute('aria-current');
    });
  }

  // The link of who waits is made to last: the address keeps it for the moment when the workspace is there.
  function renew(ticket) {
    const query = location.search.replace(/([?&]ws_access=)[^&]*/, (all, mark) => mark + ticket);
    history.replaceState(history.state, '', location.pathname + query + location.hash);
  }

  async function look() {
    clearTimeout(timer);
    try {
      const answer = await fetch(`${base}/_workspace/status${location.search}`, { cache: 'no-store', credentials: 'same-origin', headers: { Accept: 'application/json' } });
      const state = await answer.json();
      // Refused by the workspace's gate: another tab of this browser may just be opening its link, which lets this one in, too.
      if (answer.status === 403 && ++denied < 10) {
        timer = setTimeout(look, 1000);
        return;
      }
      // The first answer of another kind may be the workspace's own: its phase is "ready". 503: nobody knows now.
      if (state.phase !== phase && answer.status !== 503) {
        // What answered a form is not asked for again: that would send the form.
        if (location.pathname.endsWith('/_workspace/resume')) location.replace(`${base}/${location.search.replace(/^\?life=\d*&?/, '?')}`);
        else location.reload();
        return;
      }
      if (answer.ok) show(state);
      if (answer.ok && state.ticket) renew(state.ticket);
      failures = 0;
    } catch {
      failures = Math.min(failures + 1, 10);
    }
    timer = setTimeout(look, pace() * (1 + failures));
  }

  const waited = at('waited');
  if (waited) setInterval(() => put(waited, `Waiting for ${Math.round((Date.now() - began) / 1000)} s`), 1000);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });
  timer = setTimeout(look, pace());
})();
