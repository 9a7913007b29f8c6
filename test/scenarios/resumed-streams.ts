import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { type Attachment, type AttachRequest, attach } from "../../host/client/streams/attachment.ts";
import type { OutputName } from "../../host/client/streams/position.ts";
import type { Random } from "../../lib/seeded-random.ts";

/** Output as it arrived. */
export interface Received {
  readonly hash: Record<OutputName, string>;
  readonly length: Record<OutputName, number>;
  readonly code: number;
  /** Connections that were lost. */
  readonly lost: number;
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

interface Follow {
  readonly address: string;
  readonly request: AttachRequest;
  readonly random: Random;
  /** Sent through the first attachment and its successors, once the process has printed `ready` bytes. */
  readonly input?: Buffer;
  readonly ready?: number;
  /** Chance that the client itself ends after a piece of output, and another one continues at its position. */
  readonly successors?: number;
}

/** Attaches until the process ends, with successors that know only the position; expects every byte once and in order. */
export async function follow({
  address,
  request,
  random,
  input,
  ready = 0,
  successors = 0,
}: Follow): Promise<Received> {
  const hashes = { stdout: createHash("sha256"), stderr: createHash("sha256") };
  const length = { stdout: 0, stderr: 0 };
  let lost = 0;
  let from: AttachRequest["from"];
  for (;;) {
    let isLeaving = false;
    let attachment: Attachment | undefined;
    const onData = async (name: OutputName, bytes: Uint8Array, offset: number) => {
      expect(offset).toBe(length[name]);
      length[name] += bytes.length;
      hashes[name].update(bytes);
      if (random() < 0.1) await sleep(random() * 5); // a slow reader
      if (!isLeaving && random() < successors) {
        isLeaving = true;
        // After this piece is acknowledged, or not: the position counts.
        setTimeout(() => attachment?.close(), random() * 3);
      }
    };
    const onDisconnect = () => lost++;
    attachment = attach(address, { ...request, ...(from && { from }) }, { onData, onDisconnect });
    const isReady = () => length.stdout >= ready;
    const feeding = input === undefined ? undefined : feed(attachment, input, random, isReady);
    feeding?.catch(() => undefined); // awaited after the exit
    try {
      const { code } = await attachment.exit;
      await feeding;
      return { hash: { stdout: hashes.stdout.digest("hex"), stderr: hashes.stderr.digest("hex") }, length, code, lost };
    } catch (error) {
      if (!isLeaving) throw error;
      from = attachment.position;
    }
  }
}

async function feed(attachment: Attachment, input: Buffer, random: Random, isReady: () => boolean): Promise<void> {
  const { stdin, terminal } = await attachment.attached;
  while (!isReady()) await sleep(10);
  for (let at = stdin; at < input.length; ) {
    const end = Math.min(at + 1 + Math.floor(random() ** 3 * 60_000), input.length);
    const written = attachment.write(input.subarray(at, end));
    if (random() < 0.5) await written;
    else written.catch(() => undefined); // `exit` rejects too
    at = end;
  }
  if (!terminal) attachment.end();
}

/** Expects that a process's output arrived exactly. */
export function expectExactly(received: Received, stdout: Uint8Array, stderr: Uint8Array = Buffer.alloc(0)): void {
  expect(received.length).toEqual({ stdout: stdout.length, stderr: stderr.length });
  expect(received.hash).toEqual({ stdout: sha256(stdout), stderr: sha256(stderr) });
}
