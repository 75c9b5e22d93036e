// The peer of the board's streams: `ws`, sending each message to every client. Commands come as JSON lines:
// {"bytes": 900, "seconds": 5, "per_s": null}; per_s null is as fast as the clients take it.
import { createInterface } from "node:readline";
import { WebSocketServer } from "ws";

const BEHIND_MAX = 1 << 20; // bytes that may wait for one client before we wait for it

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("listening", () => console.log(JSON.stringify({ port: server.address().port })));

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const turn = () => new Promise((done) => setImmediate(done));

async function broadcast({ bytes, seconds, per_s }) {
  const message = Buffer.alloc(bytes, "x"); // serialised once
  const began = performance.now();
  let messages = 0;
  while (performance.now() - began < 1000 * seconds) {
    if (per_s && messages >= ((performance.now() - began) / 1000) * per_s) {
      await pause(1);
      continue;
    }
    let behind = 0;
    for (const client of server.clients) {
      client.send(message, { binary: false });
      behind = Math.max(behind, client.bufferedAmount);
    }
    messages += 1;
    do {
      await turn();
      behind = Math.max(...Array.from(server.clients, (client) => client.bufferedAmount));
    } while (behind > BEHIND_MAX);
  }
  return { messages, seconds: (performance.now() - began) / 1000, clients: server.clients.size };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await broadcast(JSON.parse(line))));
}
process.exit(0);
