// Says every so often that it is time. Timers of a page behind others sleep; those of a worker do not.

const PERIOD = 50;
setInterval(() => postMessage(null), PERIOD);
