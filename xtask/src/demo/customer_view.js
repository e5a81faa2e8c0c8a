// Shows the newest mail, opens its link, and switches the automatic yes.
const by = (id) => document.getElementById(id);
let link = null;
/** The id of the mail that is shown. Not every mail has a link. */
let shown = null;

async function send(path, body) {
  const answer = await fetch(path, { method: 'POST', body: JSON.stringify(body) }).then((a) => a.json());
  by('problem').textContent = answer.problem ?? '';
}

async function refresh() {
  const { mail, problem } = await fetch('/mail').then((a) => a.json()).catch(() => ({ problem: 'The demo has ended.' }));
  by('problem').textContent = problem ?? '';
  if (!mail || mail.id === shown) return;
  [shown, link] = [mail.id, mail.link];
  const head = Object.assign(document.createElement('strong'), { textContent: mail.subject });
  const text = Object.assign(document.createElement('pre'), { textContent: mail.text });
  by('mail').replaceChildren(head, text);
  by('open').disabled = by('program').disabled = !link;
}

by('open').onclick = () => send('/open', { link });
by('program').onclick = () => send('/program', { link });
by('yes').onchange = (event) => send('/yes', { on: event.target.checked });
setInterval(refresh, 2000);
refresh();
