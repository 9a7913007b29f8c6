import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Fault, FaultControl } from "../../../test/attack/faults/fault-control.ts";
import { openForwardLedger } from "../../kernel/journal/forward-ledger.ts";
import type { Fd } from "../../kernel/kernel.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { openTwoWayPipe } from "../../kernel/two-way-pipe.ts";
import { buildFaultySys } from "../../native/build.ts";
import { depositName } from "./forward-parts.ts";
import { PIPE_BYTES } from "./pump.ts";
import { plainProtocol } from "./testing/plain-protocol.ts";

const sys = openSys();
const PROGRAM = join(import.meta.dirname, "testing/forward-agent.ts");
const BYTES = 4 << 20;
/** Splices of one agent's life at which it is killed. */
const AT = [1, 2, 3, 6];

test("a process killed before or after any splice loses and repeats no byte of a forwarded connection", async () => {
  using opened = new DisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "forward-kills-"));
  opened.defer(() => rmSync(directory, { recursive: true }));
  const own = (fd: Fd) => opened.adopt(fd, sys.close);
  const pair = () => {
    const ends = sys.socketPair("stream");
    for (const fd of ends) sys.setNonBlocking(own(fd));
    return ends;
  };
  const [[upload, ourUpload], [download, ourDownload], [target, ourTarget]] = [pair(), pair(), pair()];
  const fds = {
    up: own(openTwoWayPipe(sys, PIPE_BYTES)),
    down: own(openTwoWayPipe(sys, PIPE_BYTES)),
    target: ourTarget,
    download: ourDownload,
    upload: ourUpload,
  };
  const kept = new Map(Object.entries(fds).map(([role, fd]) => [depositName(0, "00", role as keyof typeof fds), fd]));
  const [ledger, withdrawn, faults] = ["ledger", "withdrawn", "faults"].map((name) => join(directory, name));
  if (ledger === undefined || withdrawn === undefined || faults === undefined) throw new Error("three files");
  openForwardLedger(ledger, (_, length) => new ArrayBuffer(length));
  const control = new FaultControl(faults);
  opened.defer(() => control.close());
  const faulty = buildFaultySys();

  /** Resolves with true if the process was killed, false if the connection has ended. */
  const live = async (): Promise<boolean> => {
    const gone = existsSync(withdrawn) ? readFileSync(withdrawn, "utf8").split("\n") : [];
    for (const name of gone) kept.delete(name);
    const child = spawn(process.execPath, [PROGRAM, ledger, withdrawn, ...kept.keys()], {
      stdio: ["ignore", "inherit", "inherit", ...kept.values()],
      env: { ...process.env, GUESTD_SYS_NODE: faulty, GUESTD_FAULTS: faults },
    });
    const [code, signal] = await once(child, "exit");
    if (signal !== "SIGKILL") expect(code).toBe(0);
    return signal === "SIGKILL";
  };
  const lives = async () => {
    let kills = 0;
    for (const first of AT) {
      for (const death of ["before", "after"] as const) {
        control.arm({ first, variant: 0, only: "splice", death } satisfies Fault);
        if (!(await live())) return kills;
        kills++;
      }
    }
    control.disarm();
    await live();
    return kills;
  };
  const life = lives();
  const sent = Promise.all([send(upload, "up"), send(target, "down")]).then((hashes) => {
    sys.write(download, plainProtocol.finish(BYTES));
    sys.endWriting(target);
    return hashes;
  });
  const got = Promise.all([receive(target), receive(download)]);
  const both = Promise.all([got, sent, sys.poll(upload, "read")]);
  const [received, hashes] = await Promise.race([both, life.then(() => both)]); // a life that fails ends the test
  expect(received).toEqual(hashes);
  const total = Buffer.alloc(16);
  expect(plainProtocol.readFinish(total.subarray(0, sys.read(upload, total)))).toBe(BYTES);
  for (const fd of [upload, download]) sys.endConnection(fd); // which ends the forward
  expect(await life).toBe(AT.length * 2);
}, 300_000);

/** Sends BYTES that nowhere repeat. Resolves with their hash. */
async function send(fd: Fd, seed: string): Promise<string> {
  const hash = createHash("sha256");
  for (let at = 0; at < BYTES; ) {
    const block = createHash("shake256", { outputLength: 8192 }).update(`${seed} ${at}`).digest();
    hash.update(block);
    for (let done = 0; done < block.length; ) {
      const written = sys.write(fd, block.subarray(done));
      if (written < 0) await sys.poll(fd, "write");
      else done += written;
    }
    at += block.length;
  }
  return hash.digest("hex");
}

/** Receives BYTES, or fewer if the stream ends. Resolves with their hash. */
async function receive(fd: Fd): Promise<string> {
  const hash = createHash("sha256");
  const piece = Buffer.alloc(65_536);
  for (let length = 0; length < BYTES; ) {
    const count = sys.read(fd, piece);
    if (count === 0) break;
    if (count < 0) await sys.poll(fd, "read");
    else hash.update(piece.subarray(0, count));
    length += Math.max(count, 0);
  }
  return hash.digest("hex");
}
