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
    "bytes of any message are refused as such, or are a message that is the same when it is written and read again",
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
    promise(isDeepStrictEqual(plain(again), plain(message)), `${codec.name} is the same when it is read again`);
  },
};

/** Bytes as text: of their own or a view, they are the same. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, part: unknown) =>
      typeof part === "number" && !Number.isFinite(part) ? String(part) : part,
    ),
  );
