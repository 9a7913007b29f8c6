import { connect, type Socket } from "node:net";
import { randomFrom } from "../../../lib/seeded-random.ts";
import { Dice } from "./dice.ts";

/** Returns the bytes that a client sends, all of them drawn from the dice. */
export type Conversation = (dice: Dice) => Buffer;

export interface FloodOptions {
  /** Path of the agent's unix socket. */
  readonly path: string;
  readonly conversation: Conversation;
  readonly seeds: Iterable<number>;
  /** Connections at once. */
  readonly width: number;
}

export interface Flooded {
  readonly connections: number;
  /** Connections that failed before they sent anything. */
  readonly refused: number;
  readonly bytes: number;
}

/** Longest wait for the agent's next bytes: many conversations get none. */
const WAIT_MS = 300;

/** Opens a connection for each seed. Sends its conversation, cut at any byte, and closes it in any way. */
export async function flood({ path, conversation, seeds, width }: FloodOptions): Promise<Flooded> {
  let [connections, refused, bytes] = [0, 0, 0];
  const waiting = seeds[Symbol.iterator]();
  const playAll = async () => {
    for (let next = waiting.next(); next.done !== true; next = waiting.next()) {
      const sent = await play(path, conversation, next.value);
      if (sent === undefined) refused++;
      else connections++;
      bytes += sent ?? 0;
    }
  };
  await Promise.all(Array.from({ length: width }, playAll));
  return { connections, refused, bytes };
}

/** Plays the connection of a seed. Returns the number of bytes that it sent; undefined if it didn't connect. */
async function play(path: string, conversation: Conversation, seed: number): Promise<number | undefined> {
  const dice = new Dice(randomFrom(seed));
  const whole = conversation(dice);
  const bytes = dice.chance(0.6) ? whole : whole.subarray(0, dice.below(whole.length + 1));
  if (dice.chance(0.05) && bytes.length > 0) bytes.writeUInt8(dice.below(256), dice.below(bytes.length));
  const socket = await open(path);
  if (socket === undefined) return undefined;
  if (dice.chance(0.85)) socket.resume();
  for (let from = 0; from < bytes.length && !socket.destroyed; ) {
    const to = dice.chance(0.3) ? bytes.length : Math.min(bytes.length, from + 1 + dice.below(400));
    socket.write(bytes.subarray(from, to));
    from = to;
    await dice.pick([nextBytes, nextBytes, turn, async () => undefined])(socket);
  }
  if (dice.chance(0.2)) socket.end();
  for (let count = dice.below(6); count > 0; count--) await nextBytes(socket);
  socket.destroy();
  return bytes.length;
}

const turn = (): Promise<void> => new Promise(setImmediate);

/** Waits until the agent sends more, or closes the connection, for a while. */
function nextBytes(socket: Socket): Promise<void> {
  if (socket.destroyed || socket.isPaused()) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      socket.off("data", done).off("close", done).off("end", done);
      resolve();
    };
    const timer = setTimeout(done, WAIT_MS);
    socket.on("data", done).on("close", done).on("end", done);
  });
}

function open(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.once("connect", () => resolve(socket));
    socket.on("error", () => {
      socket.destroy();
      resolve(undefined);
    });
  });
}
