import { defineConfig } from 'vite';

// The service serves the pages at /board and /w and everything else of the build under /static/.
export default defineConfig({
  base: '/static/',
  build: {
    outDir: '../static',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    // The content security policy allows nothing inline, data: URLs included.
    assetsInlineLimit: 0,
    rolldownOptions: { input: { board: 'board.html', worker: 'worker.html' } },
  },
  worker: { format: 'es' },
});
