import type { HourStep } from "../step.ts";

/** Serves HTTP to itself, hashes the answer in a worker thread, and writes a file. */
const SCRIPT = `const { createServer } = require("node:http");
const { Worker } = require("node:worker_threads");
const { readFileSync, writeFileSync } = require("node:fs");
const server = createServer((request, response) => response.end("x".repeat(100000) + request.url));
server.listen(0, "127.0.0.1", async () => {
  const answer = await fetch("http://127.0.0.1:" + server.address().port + "/end");
  const text = await answer.text();
  const code = "const { workerData, parentPort } = require('node:worker_threads');" +
    "parentPort.postMessage(require('node:crypto').createHash('sha256').update(workerData).digest('hex'))";
  new Worker(code, { eval: true, workerData: text }).once("message", (digest) => {
    writeFileSync("digest", digest);
    console.log(process.cwd(), process.argv[2], text.slice(-4), readFileSync("digest", "utf8").slice(0, 16));
    server.close();
  });
});`;

export const NODE: readonly HourStep[] = [
  {
    name: "`guestctl run node.tar node -`",
    shows: "HTTP over loopback, a worker thread and a file, in the image's directory",
    script: `guestctl run -i -e NODE_NO_WARNINGS=1 images/node.tar node - word <<'END'\n${SCRIPT}\nEND`,
    prints: "/srv word /end 18d5b8c6d3653b10\n",
  },
];
