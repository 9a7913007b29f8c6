import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import type { Fault } from "./faults/fault-control.ts";
import { type FaultyMachine, startFaultyMachine } from "./faults/faulty-machine.ts";

/** More than a pipe holds. */
const LONG = Buffer.from(Array.from({ length: 20_000 }, (_, at) => `${at}\n`).join(""));
const LINE = Buffer.from("line\n");

type Death = Pick<Fault, "first" | "only" | "death">;

/**
 * The system calls of WriteStdin: it asks for room, writes what fits, and asks again. Right before write(2) the line is lost:
 * the window of docs/restart.md.
 */
const DEATHS: readonly [string, Buffer, Death][] = [
  ["before it asks for room", LINE, { first: 1, only: "poll", death: "before" }],
  ["before it writes a line", LINE, { first: 1, only: "poll", death: "after" }],
  ["after it wrote a line", LINE, { first: 1, only: "write", death: "after" }],
  ["before it writes the first part", LONG, { first: 1, only: "poll", death: "after" }],
  ["after it wrote the first part", LONG, { first: 1, only: "write", death: "after" }],
  ["before it finds the pipe full", LONG, { first: 2, only: "poll", death: "before" }],
  ["when it has found the pipe full", LONG, { first: 2, only: "poll", death: "after" }],
];

describeInNamespaces("input of a process", () => {
  let faulty: FaultyMachine;
  beforeAll(async () => {
    faulty = await startFaultyMachine();
  });
  afterAll(async () => {
    await faulty?.[Symbol.asyncDispose]();
  });

  it.each(DEATHS)("arrives once if the agent dies %s", async (name, data, death) => {
    const { machine, control, pod, standing, rootfs } = faulty;
    const { agent } = pod.client;
    const gate = `/gate-${DEATHS.findIndex(([each]) => each === name)}`;
    execFileSync("mkfifo", [join(rootfs, gate)]);
    const ids = { container_id: standing, exec_id: gate.slice(1) };
    const Args = ["sh", "-c", `read go < ${gate}; exec cat`];
    await agent.execProcess({ ...ids, process: { Args, Env: ["PATH=/bin"], Cwd: "/" } });
    const pid = await machine.agentPid();
    control.arm({ variant: 0, ...death });
    const writing = agent.writeStdin({ ...ids, data });
    const next = () => machine.agentPid().catch(() => pid);
    await expect.poll(next).not.toBe(pid);
    control.disarm();
    await writeFile(join(rootfs, gate), "go\n");
    const parts: Uint8Array[] = [];
    const reading = (async () => {
      for (;;) {
        const { data: part } = await agent.readStdout({ ...ids, len: 32_768 });
        if (part.length === 0) return;
        parts.push(part);
      }
    })();
    expect((await writing).len).toBe(data.length);
    await agent.closeStdin(ids);
    await reading;
    expect(Buffer.concat(parts).equals(data), `${Buffer.concat(parts).length} of ${data.length} bytes`).toBe(true);
    expect((await agent.waitProcess(ids)).status).toBe(0);
  });
});
