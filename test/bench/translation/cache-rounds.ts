import { setTimeout as delay } from "node:timers/promises";
import { Sandbox } from "../../../host/sdk/index.ts";
import { qemuBelow } from "../../testing/qemu-below.ts";
import { cpuMs, memoryOf } from "../process-usage.ts";
import { Samples } from "../samples.ts";

/** How a guest starts. */
export type Start = "cold" | "template";

/** Milliseconds that a guest idles before its memory is measured. */
const SETTLE_MS = 1000;
const EXECS = 10;
/** Files of the compiler that guests run. */
export const COMPILER = ["typescript.js", "lib.dom.d.ts"];
/** Translates 300 KB three times, for which V8 compiles much. */
const COMPILE = `
  const fs = require("node:fs");
  const ts = require("/compiler/typescript.js");
  const text = fs.readFileSync("/compiler/lib.dom.d.ts", "utf8").slice(0, 300000);
  for (let i = 0; i < 3; i++) ts.transpileModule(text, { reportDiagnostics: true });
`;

/** Memory and times of guests that start in one way with a translation cache of one size. */
export class CacheRounds {
  static readonly head = [
    ...["tb-size", "start", "RSS", "PSS", "anonymous", "CPU to first exec", "exec, ms", "CPU, ms"],
    ...["node -e 0", "compiler", "its CPU", "RSS after", "anonymous after"],
  ];
  readonly size: string;
  readonly #start: Start;
  readonly #image: string;
  readonly #samples = CacheRounds.head.slice(2).map(() => new Samples());

  constructor(size: string, start: Start, image: string) {
    this.size = size;
    this.#start = start;
    this.#image = image;
  }

  get row(): string[] {
    const digits = [0, 0, 0, 2, 0, 0, 2, 2, 2, 0, 0];
    return [this.size, this.#start, ...this.#samples.map(({ median }, index) => median.toFixed(digits[index]))];
  }

  /** Starts a guest, measures it, and ends it. */
  async round(): Promise<void> {
    await using sandbox = await Sandbox.create(
      this.#start === "template" ? { template: "node" } : { image: this.#image },
    );
    const [qemu, ...others] = qemuBelow(process.pid);
    if (qemu === undefined || others.length > 0) throw new Error(`${others.length} other guests`);
    await sandbox.exec(["dash", "-c", ":"]);
    const started = cpuMs(qemu);
    const execs = new Samples();
    for (let at = 0; at < EXECS; at++) await execs.time(async () => sandbox.exec(["dash", "-c", ":"]));
    const execCpu = (cpuMs(qemu) - started) / EXECS;
    await delay(SETTLE_MS);
    const before = memoryOf(qemu);
    const run = async (script: string) => {
      const [time, cpu] = [new Samples(), cpuMs(qemu)];
      const { exitCode, stderr } = await time.time(async () =>
        sandbox.exec(["node", "-e", script], { timeoutMs: 300_000 }),
      );
      if (exitCode !== 0) throw new Error(`node ended with ${exitCode}: ${stderr}`);
      return { seconds: time.last / 1000, cpu: (cpuMs(qemu) - cpu) / 1000 };
    };
    await run("0"); // reads the program
    const empty = await run("0");
    const compiled = await run(COMPILE);
    await delay(SETTLE_MS);
    const after = memoryOf(qemu);
    const mib = (kib: number) => kib / 1024;
    const values = [
      ...[before.rssKib, before.pssKib, before.anonymousKib].map(mib),
      ...[started / 1000, execs.median, execCpu, empty.seconds, compiled.seconds, compiled.cpu],
      ...[after.rssKib, after.anonymousKib].map(mib),
    ];
    for (const [index, value] of values.entries()) this.#samples[index]?.add(value);
  }
}
