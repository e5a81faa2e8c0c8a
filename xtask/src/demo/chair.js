// The customer's chair: the newest mail, its link, and the switch.
const by = (id) => document.getElementById(id);
let link = null;
/** The mail that is shown: not every mail has a link. */
let shown = null;

async function tell(path, body) {
  const answer = await fetch(path, { method: 'POST', body: JSON.stringify(body) }).then((a) => a.json());
  by('problem').textContent = answer.problem ?? '';
}

async function look() {
  const { mail, problem } = await fetch('/mail').then((a) => a.json()).catch(() => ({ problem: 'The demo has ended.' }));
  by('problem').textContent = problem ?? '';
  if (!mail || mail.id === shown) return;
  [shown, link] = [mail.id, mail.link];
  const head = Object.assign(document.createElement('strong'), { textContent: mail.subject });
  const text = Object.assign(document.createElement('pre'), { textContent: mail.text });
  by('mail').replaceChildren(head, text);
  by('open').disabled = by('program').disabled = !link;
}

by('open').onclick = () => tell('/open', { link });
by('program').onclick = () => tell('/program', { link });
by('yes').onchange = (event) => tell('/yes', { on: event.target.checked });
setInterval(look, 2000);
look();
