// Serves the metrics of sandboxes as Prometheus text, and prints what their commands print as JSON lines for a log
// collector. It ends by itself after one scrape if GUESTD_ONCE is set.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Sandbox } from "guestd";
import { where } from "./where.ts";

const sandboxes = await Promise.all(["web", "db"].map((app) => Sandbox.create({ ...where, env: { APP: app } })));

const logs = sandboxes.map(async (sandbox) => {
  for await (const { stream, text } of sandbox.exec("echo $APP starts; echo $APP has no settings >&2")) {
    const time = new Date().toISOString();
    console.log(JSON.stringify({ time, sandbox: sandbox.name, stream, message: text.trim() }));
  }
});

async function metrics(): Promise<string> {
  const all = await Promise.all(sandboxes.map(async (each) => ({ name: each.name, stats: await each.stats() })));
  const series = (metric: string, type: string, value: (stats: (typeof all)[number]["stats"]) => number) =>
    [`# TYPE ${metric} ${type}`, ...all.map(({ name, stats }) => `${metric}{sandbox="${name}"} ${value(stats)}`)].join(
      "\n",
    );
  const lines = [
    series("sandbox_memory_bytes", "gauge", ({ memoryBytes }) => memoryBytes),
    series("sandbox_cpu_seconds_total", "counter", ({ cpuSeconds }) => cpuSeconds),
    series("sandbox_tasks", "gauge", ({ tasks }) => tasks),
  ];
  return `${lines.join("\n")}\n`;
}

const server = createServer((_, response) => {
  metrics().then(
    (text) => response.setHeader("content-type", "text/plain; version=0.0.4").end(text),
    (error: Error) => response.writeHead(503).end(`${error.message}\n`),
  );
}).listen(Number(process.env["PORT"] ?? 9464), "127.0.0.1");
await Promise.all(logs);

if (process.env["GUESTD_ONCE"] !== undefined) {
  const { port } = server.address() as AddressInfo;
  console.log(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
  server.close();
  await Promise.all(sandboxes.map((each) => each.stop()));
}
