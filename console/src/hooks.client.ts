// When a part of the page cannot be loaded, because the network changed or the server was updated, the page is
// reloaded, once.
const TRIED = 'deskside-reloaded-at';

addEventListener('vite:preloadError', (event) => {
  const last = Number(sessionStorage.getItem(TRIED) ?? 0);
  if (Date.now() - last < 10_000) return;
  event.preventDefault();
  sessionStorage.setItem(TRIED, String(Date.now()));
  location.reload();
});
