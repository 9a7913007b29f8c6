import { ATTACH_PATH, wrapFrames } from "../../../proto/grpc-frames.ts";
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  header,
  http2,
  many,
  PING,
  PREFACE,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../../transport/testing/http2-frames.ts";
import { type Dice, word } from "./dice.ts";
import { streamsConversation } from "./streams-conversation.ts";

/** ":authority: x" in HPACK: nghttp2 refuses requests without it. */
const AUTHORITY = Buffer.of(1, 1, 0x78);
const ACK = 1;
const PADDED = 8;
const PATHS = [
  "/grpc.Health/Check",
  "/grpc.AgentService/GetMetrics",
  "/grpc.AgentService/GetOOMEvent",
  "/a/b",
] as const;
/** A header of 12,000 bytes. */
const LARGE = Buffer.concat([Buffer.of(0, 1, 0x61, 0x7f, 0xe1, 0x5c), Buffer.alloc(12_000, "b")]);
const WINDOWS = [0, 1, 65_535, 0x7fffffff, 0xffffffff] as const;

/** Returns the bytes of a random HTTP/2 client: frames that a client may send in any order, and sometimes others. */
export function http2Conversation(dice: Dice): Buffer {
  const client = new RandomClient(dice, dice.pick([0, 0.02, 0.02, 0.1, 0.5]));
  const greeting = dice.chance(0.97) ? [PREFACE, client.settings()] : [PREFACE.subarray(0, dice.below(24))];
  return Buffer.concat([...greeting, many(Math.ceil(dice.random() ** 2 * 40), () => client.frames())]);
}

class RandomClient {
  readonly #dice: Dice;
  /** Chance of bytes that break the protocol, in each place where they can be. */
  readonly #hostile: number;
  #next = 1;
  /** Streams on which the client may still send. */
  readonly #open: number[] = [];

  constructor(dice: Dice, hostile: number) {
    this.#dice = dice;
    this.#hostile = hostile;
  }

  frames(): Buffer {
    const dice = this.#dice;
    if (dice.chance(this.#hostile)) return this.#broken();
    const id = this.#open.at(-1 - Math.floor(dice.random() ** 3 * this.#open.length));
    if (id === undefined || dice.chance(0.5)) {
      return dice.pick<() => Buffer>([
        () => this.#begin(END_HEADERS),
        () => this.#begin(END_HEADERS | END_STREAM),
        () => this.#call(),
        () => this.#call(),
        () => this.#attach(),
        () => many(1 + dice.below(50), () => http2(PING, 0, 0, Buffer.alloc(8))),
        () => this.settings(),
        () => http2(WINDOW_UPDATE, 0, 0, word(dice.pick([1, 100, 65_535]))),
        () => http2(PRIORITY, 0, this.#next, Buffer.of(0, 0, 0, 0, 1)),
        () => http2(100 + dice.below(100), dice.below(256), dice.below(8), dice.bytes(dice.below(30))),
        () => (dice.chance(0.2) ? http2(GOAWAY, 0, 0, Buffer.alloc(8)) : this.#call()),
      ])();
    }
    return dice.pick<() => Buffer>([
      () => this.#last(id, http2(HEADERS, END_HEADERS | END_STREAM, id, this.#fields())),
      () => this.#last(id, http2(RST_STREAM, 0, id, word(dice.pick([0, 2, 7, 8, 11])))),
      () => this.#last(id, http2(DATA, END_STREAM, id, dice.pick([Buffer.alloc(0), Buffer.alloc(5)]))),
      () => http2(DATA, 0, id, dice.bytes(dice.below(200))),
      () => http2(DATA, 0, id, Buffer.concat([Buffer.of(0, 0, 0, 4, 0), dice.bytes(dice.below(1500))])),
      () => http2(WINDOW_UPDATE, 0, id, word(dice.pick([1, 100, 65_535]))),
    ])();
  }

  #last(id: number, frame: Buffer): Buffer {
    this.#open.splice(this.#open.indexOf(id), 1);
    return frame;
  }

  #broken(): Buffer {
    const dice = this.#dice;
    return dice.pick<() => Buffer>([
      () => this.#begin(0),
      () => http2(CONTINUATION, dice.pick([0, END_HEADERS]), this.#stream(), this.#fields()),
      () => http2(HEADERS, dice.pick([0, END_STREAM]), this.#stream(), this.#fields()),
      () => http2(PING, ACK, 0, Buffer.alloc(8)),
      () => http2(DATA, PADDED, this.#stream(), dice.bytes(dice.below(200))),
      () => http2(DATA, 0, this.#next + 2 * dice.below(3), dice.bytes(5)),
      () => http2(WINDOW_UPDATE, 0, dice.pick([0, this.#stream()]), word(dice.pick(WINDOWS))),
      () => http2(GOAWAY, 0, 0, Buffer.concat([word(this.#next), word(dice.below(14)), dice.bytes(dice.below(20))])),
      () => http2(PUSH_PROMISE, END_HEADERS, this.#stream(), Buffer.concat([word(2), this.#fields()])),
      () => http2(dice.below(12), dice.below(256), dice.below(8), dice.bytes(dice.below(30))),
    ])();
  }

  /** Returns SETTINGS whose window is often zero, so that responses wait. */
  settings(): Buffer {
    const dice = this.#dice;
    const entry = () => {
      const [id, value] = dice.pick<readonly [number, number]>([
        [1, dice.pick([0, 4096])],
        [3, dice.pick([0, 100])],
        [4, dice.pick([0, 0, 1, 65_535])],
        [5, dice.pick([16_384, 16_777_215])],
        [6, dice.pick([0, 100, 0xffffffff])],
        dice.chance(this.#hostile) ? [dice.below(10), dice.pick(WINDOWS)] : [100, 1],
      ]);
      return Buffer.concat([Buffer.of(id >> 8, id & 255), word(value)]);
    };
    return http2(SETTINGS, 0, 0, many(dice.below(4), entry));
  }

  #begin(flags: number, path: string = this.#dice.pick(PATHS)): Buffer {
    const dice = this.#dice;
    const id = this.#next;
    this.#next += 2;
    if (!(flags & END_STREAM)) this.#open.push(id);
    const type = header("content-type", dice.pick(["application/grpc", "application/grpc", "text/plain"]));
    const block = Buffer.concat([
      ...[Buffer.of(0x83, 0x86, 4, path.length), Buffer.from(path), AUTHORITY, header("te", "trailers"), type],
      ...(dice.chance(0.5) ? [this.#fields()] : []),
    ]);
    if (flags & END_HEADERS && dice.chance(0.7)) return http2(HEADERS, flags, id, block);
    const cut = dice.below(block.length);
    const rest = http2(CONTINUATION, flags & END_HEADERS, id, block.subarray(cut));
    return Buffer.concat([http2(HEADERS, flags & END_STREAM, id, block.subarray(0, cut)), rest]);
  }

  #call(): Buffer {
    const dice = this.#dice;
    const id = this.#next;
    const body = dice.pick([
      Buffer.alloc(5),
      Buffer.alloc(5),
      Buffer.of(1, 0, 0, 0, 3, 1, 2, 3),
      dice.bytes(dice.below(40)),
    ]);
    const begun = this.#begin(END_HEADERS);
    if (dice.chance(0.3)) return Buffer.concat([begun, http2(DATA, 0, id, body)]);
    const whole = Buffer.concat([begun, this.#last(id, http2(DATA, END_STREAM, id, body))]);
    return dice.chance(0.2) ? Buffer.concat([whole, http2(RST_STREAM, 0, id, word(8))]) : whole;
  }

  #attach(): Buffer {
    const dice = this.#dice;
    const id = this.#next;
    const data = () => http2(DATA, 0, id, wrapFrames(streamsConversation(dice)));
    return Buffer.concat([this.#begin(END_HEADERS, ATTACH_PATH), many(dice.below(3), data)]);
  }

  /** Returns header fields in all encodings. */
  #fields(): Buffer {
    const dice = this.#dice;
    return many(1 + dice.below(5), () => {
      if (dice.chance(this.#hostile)) return dice.bytes(dice.below(10));
      return dice.pick<() => Buffer>([
        () => header("x", "y".repeat(dice.below(120))),
        () => header("grpc-timeout", dice.pick(["1m", "0n", "9S", "x"])),
        () => header("grpc-encoding", dice.pick(["gzip", "identity", "z"])),
        () => header("X", "a\0b"),
        () => Buffer.concat([Buffer.of(0x40, 3), Buffer.from("abc"), Buffer.of(100), Buffer.alloc(100, "v")]),
        () => Buffer.of(0x80 | 17),
        () => (dice.chance(0.1) ? LARGE : header("y", "z")),
      ])();
    });
  }

  /** Returns the id of an earlier stream, mostly of a late one. */
  #stream(): number {
    return Math.max(1, this.#next - 2 * (1 + Math.floor(this.#dice.random() ** 3 * 5)));
  }
}
