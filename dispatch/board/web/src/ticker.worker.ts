// Browsers slow a hidden page's timers to one a minute; a worker's go on. The board must not stand still behind a tab.
setInterval(() => postMessage(0), 1000);

export {};
