// The pages are a client of the server: nothing is rendered beforehand.
export const ssr = false;
export const prerender = false;
