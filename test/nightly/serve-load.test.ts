import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { LogPart } from "../../host/serve/protocol/logs.ts";
import { PageClient } from "../../host/serve/testing/page-client.ts";
import type { PageSocket } from "../../host/serve/testing/page-socket.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { GUEST, ServedAgent } from "../namespaces/testing/served-agent.ts";
import { bundledGuestctl } from "./testing/bundled-guestctl.ts";

const PAGES = 10;
const MIB = 1 << 20;
const LINE_BYTES = 100;
/** Printing takes time itself: it makes 5 MB/s of this. */
const LINES_PER_SECOND = 68_000;
const SECONDS = Number(process.env["SERVE_LOAD_SECONDS"] ?? 300);
/** Until then, V8 compiles and its heap grows to its size. */
const WARM_SECONDS = Math.min(60, SECONDS / 4);

/** Prints numbered lines, 5 MB/s of them. */
const PRINT = `BEGIN { pad = sprintf("%89s", ""); for (;;) {
  for (i = 0; i < ${LINES_PER_SECOND / 10}; i++) printf "%010d%s\\n", n++, pad;
  fflush(); system("sleep 0.1") } }`;

describeInNamespaces("guestctl serve under load", () => {
  it("serves ten pages with 5 MB/s of logs for five minutes in flat memory, and drops nothing unmarked", async () => {
    await using served = await ServedAgent.start({ config: "container_logs = 1048576" });
    const id = await served.pod.start(["awk", PRINT]);
    const { link, server } = await served.serve(["--allow-exec"], "127.0.0.1:0", await bundledGuestctl());
    const page = await PageClient.open(link);
    const checks = Array.from({ length: PAGES }, () => new LineCheck());
    const sockets = await Promise.all(checks.map((check, at) => openPage(page, id, `x-shell-${at}`, check)));
    const samples: number[] = [];
    const cpu = cpuSeconds(server.child.pid);
    for (let second = 0; second < SECONDS; second++) {
      await sleep(1000);
      samples.push(residentBytes(server.child.pid));
    }
    const used = (cpuSeconds(server.child.pid) - cpu) / SECONDS;
    const mib = (bytes: number) => (bytes / MIB).toFixed(1);
    const [early, late] = [samples.slice(WARM_SECONDS, WARM_SECONDS * 2), samples.slice(-WARM_SECONDS)].map(mean);
    const lines = checks.map((check) => check.lines);
    const gone = checks.map((check) => check.goneBytes / LINE_BYTES);
    console.log(
      `${(((lines[0] ?? 0) + (gone[0] ?? 0)) / SECONDS / 10_000).toFixed(1)} MB/s; server: at most ${mib(Math.max(...samples))} MiB, ${mib(early ?? 0)} MiB at first and ${mib(late ?? 0)} MiB at last, ` +
        `${used.toFixed(2)} of a processor; each page: ${Math.min(...lines)} to ${Math.max(...lines)} lines, ` +
        `${Math.max(...gone).toFixed(0)} marked as gone at most`,
    );
    expect(checks.flatMap((check) => check.mistakes)).toEqual([]);
    expect(Math.min(...lines)).toBeGreaterThan(1000);
    expect(Math.max(...samples)).toBeLessThan(120 * MIB);
    expect((late ?? 0) - (early ?? 0)).toBeLessThan(10 * MIB);
    for (const socket of sockets) socket[Symbol.dispose]();
  });
});

/** Opens what a browser's page would: everything at once. */
async function openPage(page: PageClient, container: string, exec: string, check: LineCheck): Promise<PageSocket> {
  const socket = await page.socket();
  for (const channel of [
    socket.open({ kind: "guests" }),
    socket.open({ kind: "events", guest: GUEST }),
    socket.open({ kind: "calls", guest: GUEST }),
    socket.open({ kind: "terminal", guest: GUEST, container, exec, command: ["sh"], cols: 80, rows: 24 }),
  ]) {
    channel.onMessage = () => undefined;
  }
  const logs = socket.open({ kind: "logs", guest: GUEST, containers: [container], tail: 10 });
  logs.onMessage = (message) => {
    if ("log" in message) for (const part of message.log) check.take(part);
  };
  return socket;
}

/** Checks that every byte arrives, or is marked as gone: line N begins at byte 100 × N. A gap cuts lines into pieces. */
class LineCheck {
  lines = 0;
  goneBytes = 0;
  readonly mistakes: string[] = [];
  #position: number | undefined;
  #isAfterGap = false;

  take(part: LogPart): void {
    if ("gap" in part) this.#gap(part.gap);
    else if ("dropped" in part) this.mistakes.push("the server dropped lines");
    else for (const line of part.lines) this.#line(line);
  }

  #gap({ from, to }: { readonly from: number; readonly to: number }): void {
    // The last line may have lost its end alone.
    if (from !== this.#position && from + 1 !== this.#position) this.#mistake(`a gap from ${from}`);
    this.#position = to;
    this.#isAfterGap = true;
    this.goneBytes += to - from;
  }

  #line(line: string): void {
    const isWhole = line.length === LINE_BYTES - 1;
    if (isWhole) {
      this.#position ??= Number(line) * LINE_BYTES;
      if (Number(line) * LINE_BYTES !== this.#position) this.#mistake(`line ${line}`);
    }
    this.#position = (this.#position ?? 0) + line.length + (isWhole || this.#isAfterGap ? 1 : 0);
    this.#isAfterGap = false;
    this.lines++;
  }

  #mistake(what: string): void {
    if (this.mistakes.length < 5) this.mistakes.push(`${what.trim()} at byte ${this.#position}`);
  }
}

function residentBytes(pid: number | undefined): number {
  const [, kib = ""] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}

function cpuSeconds(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}
