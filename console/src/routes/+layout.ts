// The pages are a client of the server: nothing is prerendered.
export const ssr = false;
export const prerender = false;
