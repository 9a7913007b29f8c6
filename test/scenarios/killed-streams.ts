import { createHash } from "node:crypto";
import { expect } from "vitest";
import { fromShell } from "./killed-host.ts";
import type { Machine } from "./machine.ts";
import type { OpenLine } from "./open-line.ts";

/** Of which a program prints as many as it is told: 9 KB, 60 KB, 300 KB, 1 MiB. */
const LAST_LINES = [2000, 11_500, 51_500, 165_000];
const PIECE = 40_000;

/** What the workers below have in common. */
export interface StreamLoad {
  readonly machine: Machine;
  readonly line: OpenLine;
  /** A container that runs as long as they do. */
  readonly container_id: string;
  readonly stopped: () => boolean;
  /** Something went to its end. */
  readonly done: () => void;
}

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

function linesTo(last: number): string {
  return `${Array.from({ length: last }, (_, at) => at + 1).join("\n")}\n`;
}

const HASHES = LAST_LINES.map((last) => sha256(linesTo(last)));

/** Execs that print numbered lines, read to their end: all of them come once, and then the exit status. */
export async function printBursts(load: StreamLoad, worker: number): Promise<void> {
  const { line, container_id } = load;
  for (let round = 0; !load.stopped(); round++) {
    const which = (worker + round) % LAST_LINES.length;
    const exec_id = `burst-${worker}-${round}`;
    const code = (worker * 7 + round) % 100;
    const process = programOf(`seq 1 ${LAST_LINES[which]}; exit ${code}`);
    if ((await line.ask(({ agent }) => agent.execProcess({ container_id, exec_id, process }))) === undefined) continue;
    const output = await readAll(load, exec_id, 32_768);
    if (output === undefined) continue;
    expect(sha256(output), `${exec_id}: ${output.length} bytes`).toBe(HASHES[which]);
    const waited = await line.ask(({ agent }) => agent.waitProcess({ container_id, exec_id }));
    if (waited === undefined) continue;
    expect(waited.status, exec_id).toBe(code);
    load.done();
  }
}

/** Lines to the stdin of an exec that gives them back: all of them come back once, in order. */
export async function echoLines(load: StreamLoad): Promise<void> {
  const { line, container_id } = load;
  for (let round = 0; !load.stopped(); round++) {
    const ids = { container_id, exec_id: `echo-${round}` };
    const process = programOf("exec cat");
    if ((await line.ask(({ agent }) => agent.execProcess({ ...ids, process }))) === undefined) continue;
    const output = readAll(load, ids.exec_id, 4096);
    let sent = "";
    let known = true;
    for (let count = 1; count <= 40; count++) {
      const data = `${round} line ${count}\n`;
      const wrote = await line.ask(({ agent }) => agent.writeStdin({ ...ids, data: Buffer.from(data) }));
      known &&= wrote?.len === data.length;
      sent += data;
    }
    await line.askAgain(({ agent }) => agent.closeStdin(ids));
    const got = await output;
    const waited = await line.ask(({ agent }) => agent.waitProcess(ids));
    if (!known || got === undefined || waited === undefined) continue;
    expect([got.toString(), waited.status]).toEqual([sent, 0]);
    load.done();
  }
}

/** Files that come in pieces: each is whole in the end. */
export async function copyFiles(load: StreamLoad): Promise<void> {
  const { machine, line } = load;
  const directory = machine.volume("copied-under-load");
  for (let round = 0; !load.stopped(); round++) {
    const data = Buffer.from(linesTo(20_000 + round));
    const path = `${directory}/file`;
    const copy = { path, file_size: data.length, file_mode: 0o100644, dir_mode: 0o755 };
    let known = true;
    for (let offset = 0; offset < data.length; offset += PIECE) {
      const piece = { ...copy, offset, data: data.subarray(offset, offset + PIECE) };
      known &&= (await line.ask(({ agent }) => agent.copyFile(piece))) !== undefined;
    }
    if (!known) continue;
    expect(await fromShell(machine, `sha256sum < ${path}; ls -A ${directory}`)).toBe(`${sha256(data)}  -\nfile\n`);
    load.done();
  }
}

export function programOf(script: string) {
  return { Args: ["sh", "-c", script], Env: ["PATH=/bin"], Cwd: "/" };
}

/** Undefined when a read was lost. */
async function readAll({ line, container_id }: StreamLoad, exec_id: string, len: number): Promise<Buffer | undefined> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const read = await line.ask(({ agent }) => agent.readStdout({ container_id, exec_id, len }));
    if (read === undefined) return undefined;
    if (read.data.length === 0) return Buffer.concat(parts);
    parts.push(read.data);
  }
}
