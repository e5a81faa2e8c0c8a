import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [sveltekit()],
  build: { target: 'es2022' },
  // The server answers the API while the console is being worked on with `npm run dev`.
  server: { proxy: { '/api': 'http://localhost:8470', '/wire': { target: 'ws://localhost:8470', ws: true } } }
});
