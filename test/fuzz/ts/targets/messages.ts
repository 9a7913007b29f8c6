import { isDeepStrictEqual } from "node:util";
import { DecodeError } from "../../../../proto/codec.ts";
import { services } from "../../../../proto/gen/services.js";
import type { AnyMethod } from "../../../../proto/method.ts";
import { type FuzzTarget, promise, refuses } from "../target.ts";

const methods = Object.values(services).flatMap((service) => Object.values(service) as unknown as AnyMethod[]);
const codecs = methods.flatMap(({ request, response }) => [request, response]);

export const messages: FuzzTarget = {
  name: "messages",
  promise:
    "the bytes of any message are refused as malformed, or decode to a message that survives encoding and decoding again",
  seeds: () =>
    codecs.map((_, index) =>
      Buffer.of(index, 10, 1, 97, 16, 1, 26, 4, 10, 2, 98, 99, 34, 0, 40, 255, 1, 50, 3, 1, 2, 3),
    ),
  run(input) {
    const codec = codecs[(input[0] ?? 0) % codecs.length];
    if (codec === undefined) return;
    let message: unknown;
    try {
      message = codec.decode(input.subarray(1));
    } catch (error) {
      refuses(error, DecodeError);
      return;
    }
    const bytes = codec.encode(message as never);
    const again = codec.decode(bytes);
    promise(isDeepStrictEqual(plain(again), plain(message)), `${codec.name} is the same after encoding and decoding`);
  },
};

/** Replaces bytes by text, so that a copy and a view compare as equal. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, part: unknown) =>
      typeof part === "number" && !Number.isFinite(part) ? String(part) : part,
    ),
  );
