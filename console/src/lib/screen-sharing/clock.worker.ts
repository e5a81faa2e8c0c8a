// Ticks periodically. Timers of a background page are throttled; those of a worker are not.

const PERIOD = 50;
setInterval(() => postMessage(null), PERIOD);
